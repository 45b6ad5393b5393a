"""A provider that calls the applied stack, without Herald's code."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tooling.providers import signing
from tooling.providers.samples import Job, State, now, sample

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVIDERS = (
    *("bfl", "comfydeploy", "fal", "generations", "hmac", "ideogram", "kling"),
    *("leonardo", "luma", "replicate", "runpod", "wavespeed"),
)


class Provider:
    """One provider, with the keys of the stack."""

    def __init__(self, name: str, env: Mapping[str, str]) -> None:
        self.name = name
        self.keys: dict[str, str] = json.loads(Path(env["HERALD_PROVIDER_KEYS"]).read_text())[name]
        self._url = env["HERALD_CALLBACKS_URL"]

    def body(
        self, state: State, generation: str, provider_id: str = "", urls: tuple[str, ...] = ()
    ) -> bytes:
        """Return a payload that reports a state; with `urls`, those of its files, made now."""
        job = Job(generation, provider_id or f"p-{generation}")
        body = sample(self.name, state, job._replace(urls=urls, at=now()) if urls else job)
        assert body is not None, f"{self.name} never reports {state}"
        return body

    def signed(
        self,
        body: bytes,
        generation: str,
        *,
        delivery_id: str | None = None,
        in_path: bool = True,
        signed: bytes | None = None,
        without: str | None = None,
        age: float = 0,
        **keys: str,
    ) -> tuple[str, dict[str, str]]:
        """Return the URL and the headers of a webhook.

        Parameters
        ----------
        in_path
            Whether the path names the generation.
        signed
            The body whose signature is sent, if it differs.
        without
            The header, or `token`, that is left out.
        age
            How many seconds ago it was signed.
        keys
            Signing keys that replace the provider's own.
        """
        found = signing.sign(
            self.name,
            body if signed is None else signed,
            self.keys | keys,
            generation_id=generation,
            delivery_id=delivery_id or str(uuid.uuid4()),
            now=time.time() - age,
        )
        if without == "token":
            found = found._replace(token=None)
        url = found.url(self._url, self.name, generation if in_path else None)
        headers = {name: value for name, value in found.headers.items() if name != without}
        return url, {**headers, "content-type": "application/json"}

    def call(self, body: bytes, generation: str, **options: Any) -> httpx.Response:
        """Send a webhook; the options are those of `signed`."""
        url, headers = self.signed(body, generation, **options)
        return httpx.post(url, content=body, headers=headers, timeout=30)
