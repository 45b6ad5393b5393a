"""`./herald doctor --delivery`: each mistake in a signed webhook is named."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from chalicelib.providers import configuration
from cli.console import CommandError
from cli.doctor import deliveries
from tooling.providers import keys, samples, signing

if TYPE_CHECKING:
    from chalicelib.providers.configuration import Configured

GENERATION = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"
DRAWN = keys.draw()
OTHERS = keys.draw()
NOW = time.time()


def configured(provider: str, drawn: keys.SigningKeys = DRAWN) -> Configured:
    return configuration.configured(provider, keys.entry(drawn[provider]))


def request(provider: str, now: float = NOW, body: bytes | None = None) -> bytes:
    """Return a webhook as it was received. Another `body` is not the one that was signed."""
    signed_body = samples.sample(provider, "succeeded", samples.Job(GENERATION, "p-1")) or b""
    signed = signing.sign(
        provider,
        signed_body,
        DRAWN[provider],
        generation_id=GENERATION,
        delivery_id="msg_1",
        now=now,
    )
    url = signed.url("http://127.0.0.1:8400/callbacks", provider, GENERATION)
    lines = [f"POST {url.removeprefix('http://127.0.0.1:8400')} HTTP/1.1", "Host: 127.0.0.1:8400"]
    lines += [f"{name}: {value}" for name, value in signed.headers.items()]
    lines += [f"Content-Length: {len(signed_body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (signed_body if body is None else body)


@pytest.mark.parametrize("provider", ["generations", "replicate", "fal", "runpod", "hmac"])
def test_an_authentic_webhook_is_fine(provider: str) -> None:
    recorded = deliveries.parse(request(provider))
    found = deliveries.check(recorded, configured(provider), NOW)
    assert found.healthy, found


def test_line_breaks_of_an_editor_do_not_matter() -> None:
    edited = request("replicate").replace(b"\r\n", b"\n") + b"\n"
    assert deliveries.check(deliveries.parse(edited), configured("replicate"), NOW).healthy


@pytest.mark.parametrize(
    ("data", "what", "fix"),
    [
        (request("replicate", NOW - 3600), "more than 300 s ago", "clock"),
        (request("replicate", NOW + 3600), "in the future", "not milliseconds"),
        (request("replicate", body=b"{}"), "No active secret", "Sign the raw body"),
        (
            request("replicate").replace(b"webhook-signature", b"x-dropped"),
            "signature header is missing",
            "proxy or a tunnel",
        ),
    ],
)
def test_each_mistake_is_named_and_says_what_to_do(data: bytes, what: str, fix: str) -> None:
    found = deliveries.check(deliveries.parse(data), configured("replicate"), NOW)
    assert not found.healthy
    assert what in found.what
    assert fix in found.fix


def test_a_wrong_secret_is_named() -> None:
    recorded = deliveries.parse(request("replicate"))
    found = deliveries.check(recorded, configured("replicate", OTHERS), NOW)
    assert found.what == "No active secret verifies the signature."
    assert "./herald provider set replicate" in found.fix


def test_a_wrong_capability_in_the_address_is_named() -> None:
    recorded = deliveries.parse(request("runpod"))
    found = deliveries.check(recorded, configured("runpod", OTHERS), NOW)
    assert "token in the address" in found.what
    assert "callback-url runpod" in found.fix


def test_a_provider_that_is_not_configured_is_named() -> None:
    found = deliveries.check(deliveries.parse(request("replicate")), None, NOW)
    assert found.what == "replicate is not configured."
    assert found.fix == "Run `./herald provider set replicate`."


def test_an_unknown_provider_is_named() -> None:
    data = request("replicate").replace(b"/callbacks/replicate", b"/callbacks/replikate")
    found = deliveries.check(deliveries.parse(data), None, NOW)
    assert "no provider replikate" in found.what


@pytest.mark.parametrize("data", [b"", b"{}", b"GET / HTTP/1.1\r\n\r\n", b"POST /callbacks/fal"])
def test_a_file_that_is_no_webhook_says_what_it_must_have(data: bytes) -> None:
    with pytest.raises(CommandError, match="POST /callbacks"):
        deliveries.parse(data)
