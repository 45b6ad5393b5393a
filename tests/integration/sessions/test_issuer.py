"""Tokens of an issuer with a key server, in functions that are assembled as on AWS."""

import ipaddress
import json
import pathlib
import time
from collections.abc import Iterator

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib.errors import ServiceError
from chalicelib.runtime import Runtime
from tests.builders import websocket
from tests.integration.certificates import Authority
from tests.integration.engine.scripted import Peer, Server, answer

pytestmark = pytest.mark.integration

KEY = rsa.generate_private_key(65537, 2048)
DOCUMENT = json.dumps(
    {"keys": [jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)]}
).encode()


def token() -> str:
    now = int(time.time())
    claims = {"sub": "alice", "iss": "issuer", "aud": "herald", "iat": now, "exp": now + 600}
    return jwt.encode(claims, KEY, "RS256")


class Functions:
    """The functions that verify tokens, with this key server."""

    def __init__(self, environment: dict[str, str], url: str) -> None:
        more = {
            "HERALD_JWT_ALGORITHM": "RS256",
            "HERALD_JWT_JWKS_URL": f"{url}/jwks",
            "HERALD_API_KEYS_TABLE": "api-keys",
        }
        self.runtime = Runtime({**environment, **more})

    def effect(self) -> str:
        """The authorizer's decision about a valid token."""
        headers = {"Authorization": f"Bearer {token()}"}
        found = self.runtime.authorize.handle({"methodArn": "arn", "headers": headers})
        return found["policyDocument"]["Statement"][0]["Effect"]

    def auth(self) -> tuple[str, int | None]:
        """The type and code of the answer to a fresh token."""
        frame = {"action": "auth", "id": 1, "token": token()}
        body = self.runtime.message.handle(websocket(frame))["body"]
        found = json.loads(body)
        return found["type"], found.get("code")


@pytest.fixture
def key_server(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A key server that fails on the first fetch, including its retry, and then publishes keys."""
    authority = Authority(tmp_path)
    tls = authority.server(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    left = [answer(503), answer(503)]

    def script(peer: Peer) -> None:
        while peer.read():
            peer.send(left.pop() if left else answer(200, DOCUMENT))

    with Server(script, tls=tls) as server:
        yield server


@pytest.fixture
def functions(
    dynamodb: object, environment: dict[str, str], key_server: Server
) -> Iterator[Functions]:
    made = Functions(environment, key_server.url)
    yield made
    made.runtime.close()


def test_a_fetch_that_fails_is_a_server_error_at_the_authorizer(
    functions: Functions, key_server: Server
) -> None:
    with pytest.raises(ServiceError, match="503"):
        functions.effect()
    assert len(key_server.requests) == 2, "one more attempt"


def test_a_fetch_that_fails_makes_auth_ask_for_a_retry(functions: Functions) -> None:
    assert functions.auth() == ("error", 4100)


def test_tokens_are_verified_with_the_published_keys(
    environment: dict[str, str], functions: Functions, key_server: Server
) -> None:
    with pytest.raises(ServiceError):
        functions.effect()
    later = Functions(environment, key_server.url)  # another process
    try:
        assert later.effect() == "Allow"
        assert later.auth() == ("auth_ok", None)
        assert len(key_server.requests) == 4, "two failures, then one fetch for each function"
    finally:
        later.runtime.close()
