"""The SNS client of boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def sns_client() -> SNSClient:
    """Return boto3's SNS client. Its own retries are off, because Herald's policy retries calls."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "sns", config=Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
    )
