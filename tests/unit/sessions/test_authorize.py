"""The authorizer: the places where it finds the credential, and its response to API Gateway."""

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import ServiceError
from chalicelib.sessions.authorize import Authorizer
from chalicelib.sessions.jwks import Jwks
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
        assert abs(int(answer["context"]["issued_at"]) - time.time()) < 5


def test_the_moment_a_token_was_issued_reaches_the_later_routes() -> None:
    issued = int(time.time()) - 300
    answer = handle(request(Authorization=f"Bearer {token(iat=issued)}"))
    assert answer["context"]["issued_at"] == str(issued)


def test_an_api_key_is_accepted() -> None:
    context = dict(handle(request(x_api_key=KEY))["context"])
    issued_at = int(context.pop("issued_at"))
    assert context == {"user_id": "bob", "token_expires_at": "0", "credential": "api_key"}
    assert abs(issued_at - time.time()) < 5, "a key counts as issued when it is found"


@pytest.mark.parametrize(
    "headers",
    [
        {},  # the token in the query string is ignored
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer nonsense"},
        {"Sec_WebSocket_Protocol": "herald.v1"},
        {"x_api_key": "nonsense"},
        {"x_api_key": f"hk_{'a' * 3000}_b"},
        {"Authorization": "Bearer " + "a" * 20_000},
        {"Authorization": "Bearer \ud800.a.b"},
        {"Sec_WebSocket_Protocol": "bearer."},
    ],
)
def test_missing_or_invalid_credentials_are_unauthorized(headers: dict[str, str]) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handle(request(**headers))


def test_an_unknown_origin_is_denied_even_with_a_valid_token() -> None:
    answer = handle(request(Origin="https://evil.example", Authorization=f"Bearer {token()}"))
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert answer["context"] == {}


@pytest.mark.parametrize("origin", ["null", "", "https://", "file://", "\ud800", "x" * 8000])
def test_a_malformed_origin_is_denied(origin: str) -> None:
    answer = handle(request(Origin=origin, Authorization=f"Bearer {token()}"))
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_keys_that_cannot_be_fetched_are_a_server_error() -> None:
    def unavailable() -> bytes:
        raise ServiceError("the issuer's key server", 503, "unavailable")

    tokens = Tokens(RULES._replace(algorithm="RS256"), lambda: "", Jwks("RS256", unavailable))
    signed = jwt.encode(claims(), rsa.generate_private_key(65537, 2048), "RS256")
    with pytest.raises(ServiceError):
        Authorizer(tokens, Table().keys, ORIGINS).handle(request(Authorization=f"Bearer {signed}"))


def test_refused_credentials_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    forged = jwt.encode(claims(), "another" * 8, "HS256")
    with pytest.raises(Exception, match="Unauthorized"):
        handle(request(Authorization=f"Bearer {forged}"))
    assert forged not in capsys.readouterr().out


_HEADERS = st.sampled_from(["authorization", "Sec-WebSocket-Protocol", "X-API-Key", "origin"])
_VALUES = st.builds(
    "{}{}".format,
    st.sampled_from(["", "Bearer ", "herald.v1, bearer.", "hk_", "https://app.example", "e30."]),
    st.text(st.characters(), max_size=80),
)


def outcome(headers: dict[str, str]) -> str:
    """The effect of the policy, or the message of the error."""
    try:
        answer = handle({"methodArn": ARN, "headers": headers})
    except Exception as exc:
        return str(exc)
    return answer["policyDocument"]["Statement"][0]["Effect"]


@given(st.dictionaries(_HEADERS, _VALUES))
def test_no_header_makes_a_server_error(headers: dict[str, str]) -> None:
    assert outcome(headers) in ("Deny", "Unauthorized")
