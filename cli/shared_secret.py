"""A client of Secrets Manager that also reads and writes one value of a secret with several.

A lean stage has a single secret, which is a JSON object. `<id>#<name>` is the value with that name.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

_NOT_FOUND = "ResourceNotFoundException"


class SharedSecrets:
    """A boto3 client of Secrets Manager. Ids without `#` are passed on unchanged."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Return a value; raises ClientError as boto3 does, also if the name has no value."""
        secret_id, _, name = SecretId.partition("#")
        answer: dict[str, Any] = self._client.get_secret_value(SecretId=secret_id)
        if not name:
            return answer
        values = json.loads(answer["SecretString"])
        if name not in values:
            error: Any = {"Code": _NOT_FOUND, "Message": f"{secret_id} has no value for {name}"}
            raise ClientError({"Error": error}, "GetSecretValue")
        return {**answer, "SecretString": values[name]}

    def put_secret_value(
        self,
        *,
        SecretId: str,  # noqa: N803 - boto3's name
        SecretString: str,  # noqa: N803
    ) -> dict[str, Any]:
        """Store a value; the other values of the secret stay as they are."""
        secret_id, _, name = SecretId.partition("#")
        text = SecretString
        if name:
            text = json.dumps(self._values(secret_id) | {name: SecretString}, indent=1)
        answer: dict[str, Any] = self._client.put_secret_value(
            SecretId=secret_id, SecretString=text
        )
        return answer

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Describe a secret; without versions if the named value was never set."""
        secret_id, _, name = SecretId.partition("#")
        answer: dict[str, Any] = self._client.describe_secret(SecretId=secret_id)
        if name and name not in self._values(secret_id):
            return {**answer, "VersionIdsToStages": {}}
        return answer

    def _values(self, secret_id: str) -> dict[str, str]:
        try:
            found = self._client.get_secret_value(SecretId=secret_id)
        except ClientError as exc:
            if exc.response["Error"]["Code"] != _NOT_FOUND:
                raise
            return {}
        values: dict[str, str] = json.loads(found["SecretString"])
        return values
