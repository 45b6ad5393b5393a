"""A minimal Lambda function between a queue and a client. It posts with boto3 and stores nothing.

The path benchmark compares Herald with this function on the same stack. Each message contains the
id of its connection.
"""

import json
import os
from typing import Any

import boto3

client = boto3.client(
    "apigatewaymanagementapi", endpoint_url=os.environ["HERALD_MANAGEMENT_ENDPOINT"]
)


def handle(event: dict[str, Any], context: Any) -> None:
    """Post each message to the connection that it names."""
    for record in event["Records"]:
        message = json.loads(record["body"])
        client.post_to_connection(ConnectionId=message["connection"], Data=record["body"])
    print(f"posted {len(event['Records'])}")  # the emulator waits for a line of output
