"""Erasing the copies of a user's outputs, and the items that name their sources."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chalicelib.aws.dynamodb import to_item
from chalicelib.outputs.copying import user_prefix
from chalicelib.recording import erasing
from chalicelib.recording.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.target import DatabaseTarget, Target

_SECONDS = 60.0


def generations(where: DatabaseTarget, user_id: str) -> list[str]:
    """Return the ids of a user's generations; raises DatabaseError."""
    database = Database(lambda: where.dsn, schema=where.schema)
    try:
        return database.run(
            lambda cursor: erasing.generations(cursor, user_id),
            deadline=time.monotonic() + _SECONDS,
            seconds=_SECONDS,
        )
    finally:
        database.close()


def erase(herald: Target, user_id: str, generation_ids: Iterable[str]) -> int:
    """Delete a user's copies and the items of the given generations; return the number of copies.

    The items are deleted first: a copy that is being made then deletes its own object.
    """
    table, bucket = herald.known("outputs_table"), herald.known("outputs_bucket")
    if not table or not bucket:
        return 0  # this deployment does not keep outputs
    s3, prefix = herald.client("s3"), user_prefix(user_id)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
    uploads = s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    known = {key.split("/")[1] for key in [*keys, *(each["Key"] for each in uploads)]}
    dynamodb = herald.client("dynamodb")
    for generation_id in sorted({*generation_ids, *known}):
        dynamodb.delete_item(TableName=table, Key=to_item({"generation_id": generation_id}))
    for each in uploads:
        s3.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)
    return len(keys)
