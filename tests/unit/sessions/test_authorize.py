"""The authorizer: where a credential is looked for, and what API Gateway is answered."""

import time
from typing import Any

import jwt
import pytest

from chalicelib.sessions.authorize import Authorizer
from chalicelib.sessions.tokens import Tokens
from tests.unit.sessions.test_tokens import RULES, SECRET, claims, token
from tests.unit.store.test_api_keys import KEY, Table

ARN = "arn:aws:execute-api:eu-central-1:000000000000:api/test/$connect"
ORIGINS = ["https://app.example", "https://beta.example"]

handle = Authorizer(Tokens(RULES, lambda: SECRET), Table().keys, ORIGINS).handle


def request(**headers: str) -> Any:
    return {
        "methodArn": ARN,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "queryStringParameters": {"token": token()},
    }


def test_each_way_to_carry_a_credential_is_allowed_with_its_context() -> None:
    for headers in (
        {"Authorization": f"Bearer {token()}"},
        {"Sec_WebSocket_Protocol": f"herald.v1, bearer.{token()}"},
        {"sec_websocket_protocol": f"bearer.{token()},herald.v1", "Origin": "https://app.example"},
    ):
        answer = handle(request(**headers))
        assert answer["policyDocument"]["Statement"][0] == {
            "Action": "execute-api:Invoke",
            "Effect": "Allow",
            "Resource": ARN,
        }
        assert answer["context"]["user_id"] == "alice"
        assert int(answer["context"]["token_expires_at"]) > time.time()


def test_an_api_key_is_allowed_for_what_is_no_browser() -> None:
    answer = handle(request(x_api_key=KEY))
    assert answer["context"] == {
        "user_id": "bob",
        "token_expires_at": "0",
        "credential": "api_key",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},  # the token in the query string does not count
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer nonsense"},
        {"Sec_WebSocket_Protocol": "herald.v1"},
        {"x_api_key": "nonsense"},
    ],
)
def test_no_or_bad_credentials_are_unauthorized(headers: dict[str, str]) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handle(request(**headers))


def test_a_strange_origin_is_denied_whatever_the_token() -> None:
    answer = handle(request(Origin="https://evil.example", Authorization=f"Bearer {token()}"))
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert answer["context"] == {}


def test_nothing_that_was_refused_is_logged_in_clear(capsys: pytest.CaptureFixture[str]) -> None:
    forged = jwt.encode(claims(), "another" * 8, "HS256")
    with pytest.raises(Exception, match="Unauthorized"):
        handle(request(Authorization=f"Bearer {forged}"))
    assert forged not in capsys.readouterr().out
