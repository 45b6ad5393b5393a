"""A user's item in the table of connections: its key, and the names of its attributes."""

from chalicelib.aws.dynamodb import to_item
from chalicelib.aws.service import JsonObject

CONDITION_FAILED = "ConditionalCheckFailedException"  # DynamoDB's error for an unmet condition
PREFIX = "connection "  # an attribute's name is this prefix and the connection's id


def attribute(connection_id: str) -> str:
    """Return the name of a connection's attribute."""
    return PREFIX + connection_id


def key(table: str, user_id: str, connection_id: str) -> JsonObject:
    """Return the parameters of a request for one connection.

    They are the table, the key, and the attribute's name as `#connection`.
    """
    return {
        "TableName": table,
        "Key": to_item({"user_id": user_id}),
        "ExpressionAttributeNames": {"#connection": attribute(connection_id)},
    }
