"""Credentials: where they are looked for, and what makes one hold."""

import hashlib
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chalicelib import settings
from chalicelib.aws import secrets
from chalicelib.errors import SettingError, Unauthorized
from chalicelib.sessions import authorize, credentials

SECRET = "s" * 32
ARN = "arn:aws:execute-api:eu-central-1:000000000000:api/test/$connect"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings._read.cache_clear()
    for name, value in {
        "STAGE": "test",
        "JWT_ALGORITHM": "HS256",
        "JWT_SECRET_ARN": "arn:jwt",
        "JWT_JWKS_URL": "",
        "JWT_ISSUER": "https://issuer.example",
        "JWT_AUDIENCE": "herald",
        "API_KEYS_TABLE": "keys",
        "ALLOWED_ORIGINS": "https://app.example, https://beta.example",
    }.items():
        monkeypatch.setenv(f"HERALD_{name}", value)
    monkeypatch.setattr(secrets, "get", lambda arn: SECRET)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    all_claims = {
        "sub": "alice",
        "iss": "https://issuer.example",
        "aud": "herald",
        "iat": now,
        "exp": now + 900,
        **changes,
    }
    return {name: value for name, value in all_claims.items() if value is not None}


def token(**changes: Any) -> str:
    return jwt.encode(claims(**changes), SECRET, "HS256")


def test_a_token_holds_for_its_user_until_its_end() -> None:
    ends = int(time.time()) + 100
    assert credentials.verify_token(token(exp=ends)) == credentials.Identity("alice", ends, "jwt")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -60},  # seconds from now
        {"nbf": 600},
        {"iat": 600},
        {"aud": "another"},
        {"iss": "https://else.example"},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"aud": None},
        {"iss": None},
        {"sub": ""},
        {"sub": "u" * 257},
    ],
)
def test_a_token_with_a_wrong_or_missing_claim_does_not_hold(changes: dict[str, Any]) -> None:
    now = int(time.time())
    times = {name: now + value for name, value in changes.items() if isinstance(value, int)}
    with pytest.raises(Unauthorized):
        credentials.verify_token(token(**changes | times))


def test_clocks_may_differ_by_the_leeway() -> None:
    assert credentials.verify_token(token(exp=int(time.time()) - 10)).user_id == "alice"


def test_only_the_configured_algorithm_counts() -> None:
    key = rsa.generate_private_key(65537, 2048)
    for forged in (
        jwt.encode(claims(), "", "none"),
        jwt.encode(claims(), SECRET * 2, "HS512"),
        jwt.encode(claims(), key, "RS256"),
        jwt.encode(claims(), "another" * 8, "HS256"),
        "nonsense",
        "a.b.c",
        "",
    ):
        with pytest.raises(Unauthorized):
            credentials.verify_token(forged)


def test_a_short_secret_is_a_fault_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "get", lambda arn: "short")
    with pytest.raises(SettingError, match="shorter"):
        credentials.verify_token(token())


def test_an_unknown_algorithm_is_a_fault_of_the_deployment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HERALD_JWT_ALGORITHM", "none")
    with pytest.raises(SettingError, match="HERALD_JWT_ALGORITHM"):
        credentials.verify_token(token())


def test_a_public_key_in_pem_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives import serialization

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    monkeypatch.setattr(secrets, "get", lambda arn: pem.decode())
    monkeypatch.setenv("HERALD_JWT_ALGORITHM", "ES256")
    assert credentials.verify_token(jwt.encode(claims(), key, "ES256")).user_id == "alice"


class Jwks:
    """A JWKS URL's answers, counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import urllib.request

        self.keys = {"one": rsa.generate_private_key(65537, 2048)}
        self.fetched = 0
        self.down = False
        self.now = 1000.0
        monkeypatch.setattr(urllib.request, "urlopen", self.open)
        monkeypatch.setattr(credentials, "_jwks", credentials._Jwks())
        monkeypatch.setattr("chalicelib.sessions.credentials.time.monotonic", lambda: self.now)
        monkeypatch.setenv("HERALD_JWT_ALGORITHM", "RS256")
        monkeypatch.setenv("HERALD_JWT_JWKS_URL", "https://issuer.example/jwks")

    def open(self, url: str, timeout: float) -> Any:
        import io

        self.fetched += 1
        if self.down:
            raise OSError("unreachable")
        found = [
            json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid}
            for kid, key in self.keys.items()
        ]
        return io.BytesIO(json.dumps({"keys": found}).encode())

    def token(self, kid: str) -> str:
        key = self.keys.get(kid) or rsa.generate_private_key(65537, 2048)
        return jwt.encode(claims(), key, "RS256", headers={"kid": kid})


@pytest.fixture
def jwks(monkeypatch: pytest.MonkeyPatch) -> Jwks:
    return Jwks(monkeypatch)


def test_keys_are_fetched_once_and_again_for_a_new_kid_at_most_once_a_minute(jwks: Jwks) -> None:
    for _ in range(3):
        assert credentials.verify_token(jwks.token("one")).user_id == "alice"
    assert jwks.fetched == 1
    for _ in range(5):
        with pytest.raises(Unauthorized):
            credentials.verify_token(jwks.token("unknown"))
    assert jwks.fetched == 1, "a minute has not passed"
    jwks.keys["two"] = rsa.generate_private_key(65537, 2048)
    jwks.now += 61
    assert credentials.verify_token(jwks.token("two")).user_id == "alice"
    assert jwks.fetched == 2


def test_known_keys_go_on_holding_while_the_issuer_is_down(jwks: Jwks) -> None:
    credentials.verify_token(jwks.token("one"))
    jwks.down = True
    jwks.now += 400
    assert credentials.verify_token(jwks.token("one")).user_id == "alice"


def test_a_jwks_url_must_be_https(jwks: Jwks, monkeypatch: pytest.MonkeyPatch) -> None:
    settings._read.cache_clear()
    monkeypatch.setenv("HERALD_JWT_JWKS_URL", "http://issuer.example/jwks")
    with pytest.raises(SettingError, match="https"):
        credentials.verify_token(jwks.token("one"))


KEY = "hk_k1_secret_with_underscores"


@pytest.fixture
def api_key(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    item = {
        "key_id": {"S": "k1"},
        "user_id": {"S": "bob"},
        "key_sha256": {"S": hashlib.sha256(KEY.encode()).hexdigest()},
    }

    def call(service: Any, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        assert (operation, payload["TableName"]) == ("GetItem", "keys")
        return {"Item": item} if payload["Key"] == {"key_id": {"S": "k1"}} else {}

    monkeypatch.setattr("chalicelib.aws.service.call", call)
    return item


def test_an_api_key_holds_for_its_owner(api_key: dict[str, Any]) -> None:
    assert credentials.verify_api_key(KEY) == credentials.Identity("bob", 0, "api_key")
    api_key["expires_at"] = {"N": str(int(time.time()) + 60)}
    assert credentials.verify_api_key(KEY).token_expires_at > time.time()


@pytest.mark.usefixtures("api_key")
@pytest.mark.parametrize(
    "key", ["", "hk", "hk_k1", "hk_k1_", "xx_k1_secret", "hk_k1_wrong", "hk_other_secret"]
)
def test_any_other_api_key_does_not(key: str) -> None:
    with pytest.raises(Unauthorized):
        credentials.verify_api_key(key)


def test_an_expired_api_key_does_not_hold(api_key: dict[str, Any]) -> None:
    api_key["expires_at"] = {"N": str(int(time.time()) - 1)}
    with pytest.raises(Unauthorized, match="expired"):
        credentials.verify_api_key(KEY)


def request(**headers: str) -> dict[str, Any]:
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
        answer = authorize.handle(request(**headers))
        assert answer["policyDocument"]["Statement"][0] == {
            "Action": "execute-api:Invoke",
            "Effect": "Allow",
            "Resource": ARN,
        }
        assert answer["context"]["user_id"] == "alice"
        assert int(answer["context"]["token_expires_at"]) > time.time()


@pytest.mark.usefixtures("api_key")
def test_an_api_key_is_allowed_for_what_is_no_browser() -> None:
    answer = authorize.handle(request(x_api_key=KEY))
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
        authorize.handle(request(**headers))


def test_a_strange_origin_is_denied_whatever_the_token() -> None:
    answer = authorize.handle(
        request(Origin="https://evil.example", Authorization=f"Bearer {token()}")
    )
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert answer["context"] == {}


def test_nothing_that_was_refused_is_logged_in_clear(capsys: pytest.CaptureFixture[str]) -> None:
    forged = jwt.encode(claims(), "another" * 8, "HS256")
    with pytest.raises(Exception, match="Unauthorized"):
        authorize.handle(request(Authorization=f"Bearer {forged}"))
    assert forged not in capsys.readouterr().out
