"""SNS, through boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def sns_client() -> SNSClient:
    """Return boto3's client; its own retries are off, since Herald's are the one policy."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "sns", config=Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
    )
