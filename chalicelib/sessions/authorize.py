"""The authorizer of $connect: decides who may open a WebSocket, and says so to every later route.

API Gateway answers 401 when the function raises an error whose message is "Unauthorized", and 403
to a Deny.
"""

from collections.abc import Mapping
from typing import Any

from chalicelib import settings, telemetry
from chalicelib.aws.lambda_events import lower_headers
from chalicelib.errors import ForbiddenOrigin, Unauthorized
from chalicelib.sessions import credentials


def handle(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the policy and context for one connection request; raises "Unauthorized" for 401."""
    headers = lower_headers(event)
    try:
        identity = _identify(headers)
    except ForbiddenOrigin:
        _refused("origin", origin=headers.get("origin"))
        return _policy("nobody", "Deny", event["methodArn"], {})
    except Unauthorized as exc:
        _refused("credential", reason=str(exc))
        raise Exception("Unauthorized") from None
    telemetry.info("connection allowed", user_id=identity.user_id, credential=identity.credential)
    return _policy(
        identity.user_id,
        "Allow",
        event["methodArn"],
        {
            "user_id": identity.user_id,
            "token_expires_at": str(identity.token_expires_at),
            "credential": identity.credential,
        },
    )


def _identify(headers: dict[str, str]) -> credentials.Identity:
    config = settings.load(settings.Authorize)
    allowed = [origin.strip() for origin in config.allowed_origins.split(",") if origin.strip()]
    if not credentials.origin_allowed(headers, allowed):
        raise ForbiddenOrigin
    shown = credentials.from_headers(headers)
    if shown.token:
        return credentials.verify_token(shown.token)
    if shown.api_key:
        return credentials.verify_api_key(shown.api_key)
    raise Unauthorized("no credential")


def _refused(what: str, **fields: object) -> None:
    telemetry.metrics(ConnectionsRefused=1)
    telemetry.warning("connection refused", what=what, **fields)


def _policy(principal: str, effect: str, arn: str, context: dict[str, str]) -> dict[str, Any]:
    return {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn}],
        },
        "context": context,
    }
