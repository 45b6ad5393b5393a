"""The authorizer: the places where it finds the credential, and its response to API Gateway."""

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


def test_a_token_is_accepted_wherever_a_client_may_send_it() -> None:
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


def test_an_api_key_is_accepted() -> None:
    answer = handle(request(x_api_key=KEY))
    assert answer["context"] == {
        "user_id": "bob",
        "token_expires_at": "0",
        "credential": "api_key",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},  # the token in the query string is ignored
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer nonsense"},
        {"Sec_WebSocket_Protocol": "herald.v1"},
        {"x_api_key": "nonsense"},
    ],
)
def test_missing_or_invalid_credentials_are_unauthorized(headers: dict[str, str]) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handle(request(**headers))


def test_an_unknown_origin_is_denied_even_with_a_valid_token() -> None:
    answer = handle(request(Origin="https://evil.example", Authorization=f"Bearer {token()}"))
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert answer["context"] == {}


def test_refused_credentials_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    forged = jwt.encode(claims(), "another" * 8, "HS256")
    with pytest.raises(Exception, match="Unauthorized"):
        handle(request(Authorization=f"Bearer {forged}"))
    assert forged not in capsys.readouterr().out
