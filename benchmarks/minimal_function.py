"""The least a function can do between a queue and a page: post with boto3, store nothing.

What the path benchmark compares Herald with, on the same stack. The connection is in the message.
"""

import json
import os
from typing import Any

import boto3

client = boto3.client(
    "apigatewaymanagementapi", endpoint_url=os.environ["HERALD_MANAGEMENT_ENDPOINT"]
)


def handle(event: dict[str, Any], context: Any) -> None:
    """Post each message to the connection it names."""
    for record in event["Records"]:
        message = json.loads(record["body"])
        client.post_to_connection(ConnectionId=message["connection"], Data=record["body"])
    print(f"posted {len(event['Records'])}")  # the emulator waits for a line of output
