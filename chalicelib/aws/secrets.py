"""Reads secrets from AWS Secrets Manager.

A value is cached for five minutes, so a rotated secret takes effect within that time.
"""

import json
import time
from collections.abc import Callable

from chalicelib.aws.service import Service
from chalicelib.errors import ServiceError

KEEP_SECONDS = 300.0
NOT_FOUND = "ResourceNotFoundException"


class Secrets:
    """A reader of secrets, with a cache.

    `<arn>#<name>` is one value of a secret with several, which is a JSON object.
    """

    def __init__(self, service: Service, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._clock = clock
        self._kept: dict[str, tuple[float, str]] = {}

    def get(self, arn: str, default: str | None = None) -> str:
        """Return a secret's value, or `default`, if it is given, for a secret without a value.

        Raises
        ------
        ServiceError
            Secrets Manager refused the request or did not answer. The code is
            ResourceNotFoundException if the secret has no value and there is no default.
        """
        kept = self._kept.get(arn)
        if kept is None or self._clock() - kept[0] > KEEP_SECONDS:
            kept = self._kept[arn] = (self._clock(), self._read(arn, default))
        return kept[1]

    def forget(self, arn: str) -> None:
        """Remove a secret from the cache because its value did not work."""
        self._kept.pop(arn, None)

    def _read(self, arn: str, default: str | None) -> str:
        secret, _, name = arn.partition("#")
        try:
            found = self._service.call("GetSecretValue", {"SecretId": secret})
            text = found["SecretString"]
            return str(_named(text, name) if name else text).strip()
        except ServiceError as exc:
            if default is None or exc.code != NOT_FOUND:
                raise
            return default


def _named(text: str, name: str) -> object:
    values = json.loads(text)
    if name not in values:
        raise ServiceError("secretsmanager", 400, NOT_FOUND)
    return values[name]
