"""Builds and sends a sample of a provider's webhook."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cli import provider_keys
from cli.console import CommandError
from cli.provider_keys import NEEDS, ProviderKeys
from cli.smoke import rows
from tooling.providers import samples, signing
from tooling.providers.samples import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.configuration import Configured
    from cli.target import Target

SECONDS = 30.0  # until the answer


class Webhook(NamedTuple):
    """A webhook that is ready to be sent; `url` is None for a direct invocation."""

    generation: str
    body: bytes
    url: str | None
    headers: Mapping[str, str]


def prepare(
    herald: Target,
    provider: str,
    generation: str | None,
    user: str,
    state: samples.State,
    urls: tuple[str, ...],
    progress: float,
) -> Webhook:
    """Build a webhook. Without a generation, insert one for the user first.

    Raises
    ------
    CommandError
        The provider is unknown, not configured or never reports this state, or only the provider
        can sign for it.
    """
    keys = ProviderKeys(herald)
    found = keys.find(provider)
    adapter = found.adapter if found else provider
    if adapter not in NEEDS:
        raise CommandError(f"There is no provider {provider}: see `./herald provider list`.")
    if not samples.states(adapter):
        raise CommandError(f"{provider} sends no webhooks: Herald asks its API.")
    if state not in samples.states(adapter):
        known = ", ".join(samples.states(adapter))
        raise CommandError(f"{provider} never reports {state}. It reports: {known}.")
    signing_keys = _signing_keys(herald, provider, adapter, found)
    if generation is None:
        generation = str(uuid.uuid4())
        rows.insert(herald.database(), generation, user)
    job = Job(generation, f"simulated-{generation}", progress=progress, at=samples.now())
    body = samples.sample(adapter, state, job._replace(urls=urls) if urls else job) or b""
    if NEEDS[adapter].kind == "iam":
        return Webhook(generation, body, None, {})
    signed = signing.sign(
        adapter,
        body,
        signing_keys,
        generation_id=generation,
        delivery_id=f"simulated-{uuid.uuid4()}",
        now=time.time(),
        name=provider,
    )
    url = signed.url(herald.output("callbacks_url"), provider, generation)
    return Webhook(generation, body, url, signed.headers)


def send(herald: Target, webhook: Webhook) -> tuple[int, str]:
    """Send a webhook; return the status and the body of the answer."""
    if webhook.url is None:
        return _invoke(herald, webhook.body)
    import httpx

    headers = {**webhook.headers, "content-type": "application/json"}
    try:
        answer = httpx.post(webhook.url, content=webhook.body, headers=headers, timeout=SECONDS)
    except httpx.HTTPError as exc:
        raise CommandError(f"There was no answer: {type(exc).__name__}.") from exc
    return answer.status_code, answer.text


def _invoke(herald: Target, body: bytes) -> tuple[int, str]:
    """Invoke `callback` as SNS does."""
    event = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": body.decode()}}]}
    name = f"herald-{herald.output('stage')}-callback"
    answer = herald.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    found = json.loads(answer["Payload"].read())
    return int(found.get("statusCode", 500)), str(found.get("body", found))


def _signing_keys(
    herald: Target, provider: str, adapter: str, found: Configured | None
) -> Mapping[str, str]:
    if NEEDS[adapter].kind == "iam":
        return {}
    if NEEDS[adapter].kind == "account":
        return _local_keys(herald, provider)
    if found is None and provider == "generations":
        return {"secret": provider_keys.own_secrets(herald)[0]}
    if found is None:
        raise CommandError(f"{provider} is not configured: `./herald provider set {provider}`.")
    keys = {name: str(value) for name, value in found.options.items()}
    if found.keys.secrets:
        return {**keys, "secret": found.keys.secrets[0]}
    return {**keys, "token_key": found.keys.token_keys[0]}


def _local_keys(herald: Target, provider: str) -> Mapping[str, str]:
    if path := herald.known("provider_keys"):
        found: dict[str, str] = json.loads(Path(path).read_text())[provider]
        return found
    raise CommandError(
        f"Only {provider} can sign its webhooks. Send samples of them to a local stack (`make up`)."
    )
