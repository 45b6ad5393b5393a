"""The front door: finds a webhook's provider, checks that the webhook is authentic, and reads it.

A webhook is verified before its body is parsed. The response reveals neither why a webhook is
not authentic, nor which providers and generations exist.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import metrics, telemetry
from chalicelib.aws.invocation import lower_headers
from chalicelib.errors import Refused
from chalicelib.providers import configuration, fields, registry
from chalicelib.providers.configuration import Configured
from chalicelib.providers.delivery import Delivery, Keys, NotAuthentic, Proof, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.aws.lambda_events import HttpEvent
    from chalicelib.providers.adapter import Adapter
    from chalicelib.providers.report import Report
    from chalicelib.recording.public_keys import PublicKeys

OWN = "generations"  # the provider of Herald's own payload


class Received(NamedTuple):
    """The reports of an authentic webhook.

    `generation_id` is the one in the path. `delivery_id` is the same for every repeat of a webhook
    and differs between providers.
    """

    provider: str
    generation_id: str | None
    delivery_id: str | None
    reports: list[Report]


class Webhooks:
    """Reads webhooks.

    Parameters
    ----------
    providers
        Returns the value of the secret with the providers' keys (providers/configuration.py).
    own_secrets
        Returns the signing secrets of Herald's own payload, separated by white space. They are used
        until the providers' secret has an entry for it.
    public_keys
        The keys that providers publish.
    """

    def __init__(
        self,
        providers: Callable[[], str],
        own_secrets: Callable[[], str],
        public_keys: PublicKeys,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._providers = providers
        self._own_secrets = own_secrets
        self._public_keys = public_keys
        self._clock = clock
        self._text = self._own_text = ""  # values of the two secrets
        self._entries: dict[str, object] = {}  # of the providers' secret
        self._found: dict[str, tuple[Adapter, Configured]] = {}  # in these values, by provider

    def receive(self, event: HttpEvent) -> Received:
        """Verify and read an HTTP API event.

        Raises
        ------
        Refused
            404 for an unknown or unconfigured provider, a malformed generation id or a wrong
            capability; 413 for a large body; 400 for malformed base64; 401 for a signature; 422 for
            a body that is not a JSON object, or that breaks a rule of Herald's own payload.
        ServiceError
            Keys could not be read. Another try may succeed.
        SettingError
            The providers' secret is malformed.
        """
        path = event.get("pathParameters") or {}
        provider = path.get("provider", OWN)
        adapter, found = self._adapter(provider)
        generation_id = _generation_id(path)
        delivery = Delivery(
            provider,
            path.get("generation"),
            path.get("token"),
            lower_headers(event),
            body_of(event, adapter.max_body_bytes),
            found.options,
        )
        proof = self._proof(adapter, delivery, found.keys)
        delivery_id = proof.delivery_id
        if delivery_id is not None and provider != OWN:
            delivery_id = f"{provider}:{delivery_id}"
        reports = _read(adapter, delivery, _decoded(delivery.body))
        return Received(provider, generation_id, delivery_id, reports)

    def _adapter(self, provider: str) -> tuple[Adapter, Configured]:
        text = self._providers()
        if text != self._text:
            self._entries, self._found = configuration.entries(text), {}
            self._text = text
        if provider == OWN and OWN not in self._entries:
            own_text = self._own_secrets()
            if own_text != self._own_text:
                self._own_text = own_text
                self._found.pop(OWN, None)
        found = self._found.get(provider)
        if found is None:
            found = self._found[provider] = self._configured(provider)
        return found

    def _configured(self, provider: str) -> tuple[Adapter, Configured]:
        if configuration.NAME.fullmatch(provider) is None:
            raise not_found()
        if provider in self._entries:
            found = configuration.configured(provider, self._entries[provider])
        elif provider == OWN:
            found = Configured(OWN, Keys(secrets=tuple(self._own_text.split())), {})
        else:
            raise not_found()
        adapter = registry.adapter(found.adapter)
        if adapter is None or not adapter.is_configured(found.keys):
            raise not_found()
        return adapter, found

    def _proof(self, adapter: Adapter, delivery: Delivery, keys: Keys) -> Proof:
        try:
            return self._authenticated(adapter, delivery, keys)
        except NotAuthentic as exc:
            telemetry.emit({metrics.WEBHOOKS_NOT_AUTHENTIC: 1})
            telemetry.warning(
                "webhook not authentic", provider=delivery.provider, reason=exc.reason.value
            )
            if exc.reason is Reason.CAPABILITY:
                raise not_found() from exc
            raise Refused(401, "bad_signature", "The webhook is not authentic.") from exc

    def _authenticated(self, adapter: Adapter, delivery: Delivery, keys: Keys) -> Proof:
        now, url = self._clock(), adapter.jwks_url
        if url is None or keys.jwks is not None:
            return adapter.authenticate(delivery, keys, now)
        try:
            return adapter.authenticate(
                delivery, keys._replace(jwks=self._public_keys.get(url)), now
            )
        except NotAuthentic as exc:
            newer = self._public_keys.newer(url) if exc.reason is Reason.SIGNATURE else None
            if newer is None:
                raise
            return adapter.authenticate(delivery, keys._replace(jwks=newer), now)


def body_of(event: HttpEvent, most: int) -> bytes:
    """Return the raw body of an HTTP API event.

    Raises
    ------
    Refused
        413 if the body is longer than `most` bytes, 400 if it is not valid base64.
    """
    body = event.get("body") or ""
    try:
        raw = (
            base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        )
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise Refused(400, "bad_encoding", "The body could not be decoded.") from exc
    if len(raw) > most:
        raise Refused(413, "body_too_large", f"The body is over {most} bytes.")
    return raw


def invoked(event: Mapping[str, object]) -> Received:
    """Read a direct invocation: an event of SNS from SageMaker, or Herald's own payload.

    Raises
    ------
    Refused
        422; the error names the first invalid field of Herald's own payload.
    """
    if "Records" in event:
        from chalicelib.providers.sagemaker import ADAPTER

        provider = "sagemaker"
    else:
        from chalicelib.providers.generations import ADAPTER

        provider = OWN
    reports = _read(ADAPTER, Delivery(provider, None, None, {}, b""), event)
    return Received(provider, None, None, reports)


def _read(adapter: Adapter, delivery: Delivery, body: Mapping[str, object]) -> list[Report]:
    reports = adapter.interpret(body, delivery)
    if adapter.check is not None:
        adapter.check(body, reports)
    if not reports:
        telemetry.emit({metrics.REPORTS_IGNORED: 1})
        kind, size = fields.type_of(body), len(delivery.body)
        telemetry.info("webhook ignored", provider=delivery.provider, type=kind, bytes=size)
    return reports


def not_found() -> Refused:
    """Return the only answer for everything that a caller's path does not lead to."""
    return Refused(404, "not_found", "This address leads to no provider or generation.")


def _generation_id(path: Mapping[str, str]) -> str | None:
    if "generation" not in path:
        return None
    found = fields.uuid(path["generation"])
    if found is None:
        raise not_found()
    return found


def _decoded(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise _not_read("is not JSON") from exc
    if not isinstance(found, dict):
        raise _not_read("is not a JSON object")
    return found


def _not_read(rule: str) -> Refused:
    return Refused(422, "invalid_body", f"body {rule}.", "body")
