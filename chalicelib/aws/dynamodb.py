"""DynamoDB's item format, and the requests that delivery and sessions need."""

from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from chalicelib.aws import service
from chalicelib.engine.engine import Request

BATCH_WRITE_ITEMS = 25
BATCH_GET_ITEMS = 100

Row = Mapping[str, str | int]
Item = dict[str, Any]  # a row in DynamoDB's format


def to_item(row: Row) -> Item:
    """Return a row of strings and whole numbers in DynamoDB's format."""
    return {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for name, value in row.items()
    }


def from_item(item: Item) -> dict[str, Any]:
    """Return an item's values: strings and whole numbers."""
    return {name: int(value["N"]) if "N" in value else value["S"] for name, value in item.items()}


def request(operation: str, payload: dict[str, Any]) -> Request:
    """Return the request of one operation."""
    return service.request(service.DYNAMODB, operation, payload)


def batch_write(table: str, rows: Iterable[Row]) -> Request:
    """Return the request of a BatchWriteItem that puts up to BATCH_WRITE_ITEMS rows.

    Written as text: delivery writes two rows for each event, and this takes a third of the time
    that building the items and encoding them does.
    """
    puts = ",".join([f'{{"PutRequest":{{"Item":{_item_text(row)}}}}}' for row in rows])
    body = f'{{"RequestItems":{{{quoted(table)}:[{puts}]}}}}'
    return service.request_of(service.DYNAMODB, "BatchWriteItem", body.encode())


def _item_text(row: Row) -> str:
    values = [
        f'"{name}":{{"N":"{value}"}}'
        if isinstance(value, int)
        else f'"{name}":{{"S":{quoted(value)}}}'
        for name, value in row.items()
    ]
    return f"{{{','.join(values)}}}"
