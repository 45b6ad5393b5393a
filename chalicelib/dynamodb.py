"""DynamoDB's item format, and the requests that delivery and sessions need."""

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib import aws
from chalicelib.engine import Request

BATCH_WRITE_ITEMS = 25
BATCH_GET_ITEMS = 100

Item = dict[str, Any]


def to_item(values: Mapping[str, str | int]) -> Item:
    """Return an item of strings and whole numbers in DynamoDB's format."""
    return {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for name, value in values.items()
    }


def from_item(item: Item) -> dict[str, Any]:
    """Return an item's values: strings and whole numbers."""
    return {name: int(value["N"]) if "N" in value else value["S"] for name, value in item.items()}


def request(operation: str, payload: dict[str, Any]) -> Request:
    """Return the request of one operation."""
    return aws.request(aws.DYNAMODB, operation, payload)


def batch_write(table: str, items: Sequence[Item]) -> dict[str, Any]:
    """Return the payload of a BatchWriteItem that puts up to BATCH_WRITE_ITEMS items."""
    return {"RequestItems": {table: [{"PutRequest": {"Item": item}} for item in items]}}
