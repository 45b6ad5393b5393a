"""The cache of providers' public keys."""

import json

import pytest

from chalicelib.errors import ServiceError
from chalicelib.recording.public_keys import (
    KEEP_SECONDS,
    REFETCH_SECONDS,
    RETRY_SECONDS,
    PublicKeys,
)

URL = "https://provider.example/jwks.json"


class Server:
    """A key server; its document is None while it does not answer."""

    def __init__(self, document: object = None) -> None:
        self.document = document
        self.requests = 0
        self.now = 0.0
        self.keys = PublicKeys(self._fetch, lambda: self.now)

    def _fetch(self, url: str) -> bytes:
        self.requests += 1
        if self.document is None:
            raise ServiceError("the provider's key server", 0, "no answer")
        return json.dumps(self.document).encode()


def jwks(x: str) -> dict[str, object]:
    return {"keys": [{"kty": "OKP", "x": x}]}


def test_keys_are_fetched_once_and_again_after_an_hour() -> None:
    server = Server(jwks("a"))
    for _ in range(3):
        assert server.keys.get(URL) == jwks("a")
    assert server.requests == 1
    server.document, server.now = jwks("b"), KEEP_SECONDS + 1
    assert server.keys.get(URL) == jwks("b")
    assert server.requests == 2


def test_known_keys_stay_valid_while_the_server_does_not_answer() -> None:
    server = Server(jwks("a"))
    server.keys.get(URL)
    server.document, server.now = None, KEEP_SECONDS + 1
    for _ in range(3):
        assert server.keys.get(URL) == jwks("a")
        assert server.keys.newer(URL) is None
    assert server.requests == 2


def test_newer_keys_are_asked_for_at_most_once_a_minute() -> None:
    server = Server(jwks("a"))
    server.keys.get(URL)
    server.document = jwks("b")
    assert server.keys.newer(URL) is None
    server.now = REFETCH_SECONDS
    assert server.keys.newer(URL) == jwks("b")
    assert server.keys.newer(URL) is None
    server.now += REFETCH_SECONDS
    assert server.keys.newer(URL) is None, "the keys have not changed"
    assert server.requests == 3


def test_the_first_keys_are_asked_for_every_two_seconds() -> None:
    server = Server()
    for _ in range(3):
        with pytest.raises(ServiceError, match="no answer"):
            server.keys.get(URL)
    assert server.requests == 1
    server.document, server.now = jwks("a"), RETRY_SECONDS
    assert server.keys.get(URL) == jwks("a")


@pytest.mark.parametrize("document", [[], {"keys": []}, {"keys": {}}, "keys", {}])
def test_a_document_without_keys_is_a_failure(document: object) -> None:
    with pytest.raises(ServiceError, match="not a JWK set"):
        Server(document).keys.get(URL)
