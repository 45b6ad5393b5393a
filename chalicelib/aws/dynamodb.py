"""Conversion to DynamoDB's item format, and batches of writes."""

from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import TypedDict

BATCH_WRITE_ITEMS = 25
BATCH_GET_ITEMS = 100

Row = Mapping[str, str | int]


class AttributeValue(TypedDict, total=False):
    """A value in DynamoDB's format. It has exactly one key: S for a string, N for a number or M for
    a map.
    """

    S: str
    N: str
    M: "dict[str, AttributeValue]"


Item = dict[str, AttributeValue]  # a row in DynamoDB's format


def to_item(row: Row) -> Item:
    """Return a row of strings and whole numbers in DynamoDB's format."""
    return {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for name, value in row.items()
    }


def text_of(item: Item, name: str) -> str:
    """Return a string attribute of an item, or an empty string if the item lacks the attribute."""
    return item.get(name, {}).get("S", "")


def number_of(item: Item, name: str, default: int = 0) -> int:
    """Return a number attribute of an item, or `default` if the item lacks the attribute."""
    return int(item.get(name, {}).get("N", default))


def batch_write(table: str, rows: Iterable[Row]) -> bytes:
    """Return the payload of a BatchWriteItem that puts up to BATCH_WRITE_ITEMS rows.

    Delivery writes two rows for each event. The payload is therefore formatted directly as text,
    which takes a third of the time of building dictionaries and encoding them as JSON.
    """
    puts = ",".join([f'{{"PutRequest":{{"Item":{_item_text(row)}}}}}' for row in rows])
    return f'{{"RequestItems":{{{quoted(table)}:[{puts}]}}}}'.encode()


def _item_text(row: Row) -> str:
    values = [
        f'"{name}":{{"N":"{value}"}}'
        if isinstance(value, int)
        else f'"{name}":{{"S":{quoted(value)}}}'
        for name, value in row.items()
    ]
    return f"{{{','.join(values)}}}"
