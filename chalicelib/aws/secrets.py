"""Secrets from AWS Secrets Manager, kept in memory for a few minutes so that a rotation is
noticed.
"""

import time

from chalicelib.aws import service

KEEP_SECONDS = 300.0

_kept: dict[str, tuple[float, str]] = {}


def get(arn: str) -> str:
    """Return a secret's value.

    Raises
    ------
    ServiceError
        Secrets Manager refused or did not answer; ResourceNotFoundException when no value was put
        yet.
    """
    kept = _kept.get(arn)
    if kept is None or time.monotonic() - kept[0] > KEEP_SECONDS:
        found = service.call(service.SECRETS_MANAGER, "GetSecretValue", {"SecretId": arn})
        kept = (time.monotonic(), found["SecretString"].strip())
        _kept[arn] = kept
    return kept[1]


def forget(arn: str) -> None:
    """Read the secret anew the next time: what it said did not work."""
    _kept.pop(arn, None)
