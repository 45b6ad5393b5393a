"""The authorizer of $connect. It decides who may connect and passes the user to every later route.

API Gateway answers 401 if the function raises an error with the message "Unauthorized", and 403 if
the returned policy has the effect Deny.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, TypedDict

from chalicelib import metrics, telemetry
from chalicelib.aws.invocation import lower_headers
from chalicelib.errors import ForbiddenOrigin, Unauthorized
from chalicelib.sessions import credentials
from chalicelib.sessions.tokens import Identity, Tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from chalicelib.aws.lambda_events import HttpEvent
    from chalicelib.store.api_keys import ApiKeys

Effect = Literal["Allow", "Deny"]


class Statement(TypedDict):
    """An IAM statement."""

    Action: str
    Effect: Effect
    Resource: str


class Policy(TypedDict):
    """An IAM policy."""

    Version: str
    Statement: list[Statement]


class Authorization(TypedDict):
    """The response of an authorizer: an IAM policy, and the context for later routes."""

    principalId: str
    policyDocument: Policy
    context: Mapping[str, str]


class Authorizer:
    """The `authorize` function."""

    def __init__(self, tokens: Tokens, api_keys: ApiKeys, allowed_origins: Collection[str]) -> None:
        self._tokens = tokens
        self._api_keys = api_keys
        self._allowed_origins = allowed_origins

    def handle(self, event: HttpEvent) -> Authorization:
        """Return the policy and context for a connection request; raises "Unauthorized" for 401."""
        headers, arn = lower_headers(event), event["methodArn"]
        try:
            identity = self._identify(headers)
        except ForbiddenOrigin:
            _refused("origin", origin=headers.get("origin"))
            return _authorization("nobody", "Deny", arn, {})
        except Unauthorized as exc:
            _refused("credential", reason=str(exc))
            raise Exception("Unauthorized") from None
        user_id, credential = identity.user_id, identity.credential
        context = {
            "user_id": user_id,
            "token_expires_at": str(identity.token_expires_at),
            "credential": credential,
            "issued_at": str(identity.issued_at),
        }
        return _authorization(user_id, "Allow", arn, context)

    def _identify(self, headers: Mapping[str, str]) -> Identity:
        if not credentials.origin_allowed(headers, self._allowed_origins):
            raise ForbiddenOrigin
        match credentials.from_headers(headers):
            case credentials.Token(text):
                return self._tokens.verify(text)
            case credentials.ApiKey(text):
                owner = self._api_keys.verify(text)
                # A key counts as issued now, when it is found in the table. An earlier revocation
                # of the user's sessions does not affect it. A key is revoked by deleting it.
                return Identity(owner.user_id, owner.expires_at, "api_key", int(time.time()))
            case None:
                raise Unauthorized("no credential")


def _refused(what: Literal["credential", "origin"], **fields: object) -> None:
    counts = {metrics.CONNECTIONS_REFUSED: 1.0}
    if what == "credential":
        counts[metrics.CREDENTIALS_REFUSED] = 1
    telemetry.emit(counts)
    telemetry.warning("connection refused", what=what, **fields)


def _authorization(
    principal: str, effect: Effect, arn: str, context: Mapping[str, str]
) -> Authorization:
    statement: Statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
