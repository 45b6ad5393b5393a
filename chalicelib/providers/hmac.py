"""Any service that signs the body with HMAC-SHA256 and has no adapter of its own.

Options:

- `header`, `prefix` and `encoding` (`hex` or `base64`) describe the signature.
- `id`, `status`, `outputs`, `error`, `progress` and `generation` (Herald's id) are dotted paths
  into the body. The default is the field with the option's name.
- `states` maps further status words of the service to known ones, as in `{"blocked": "moderated"}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.report import ErrorCode, Failure, Progress, Report, State, result
from chalicelib.providers.verifiers import BodyHmac

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.delivery import Delivery, Keys, Proof

_MEANINGS: dict[State | ErrorCode, tuple[str, ...]] = {
    State.QUEUED: ("queued", "pending", "created", "submitted", "starting", "in_queue"),
    State.RUNNING: ("running", "processing", "started", "in_progress"),
    State.SUCCEEDED: (
        *("succeeded", "succeed", "success", "successful", "completed", "complete"),
        *("finished", "done", "ok", "ready"),
    ),
    ErrorCode.FAILED: ("failed", "failure", "error"),
    ErrorCode.CANCELED: ("canceled", "cancelled", "aborted"),
    ErrorCode.TIMEOUT: ("timeout", "timed_out"),
    ErrorCode.MODERATED: ("moderated", "nsfw", "flagged"),
    ErrorCode.EXPIRED: ("expired",),
}
_WORDS = {word: meaning for meaning, words in _MEANINGS.items() for word in words}


class ConfiguredHmac:
    """BodyHmac, configured by the options."""

    def applies(self, keys: Keys) -> bool:
        """Whether a signing secret is configured."""
        return bool(keys.secrets)

    def verify(self, delivery: Delivery, keys: Keys, now: float) -> Proof:
        """Check the header named in the option `header`; without it, no delivery is authentic."""
        found = {name: _option(delivery, name) for name in ("header", "prefix", "encoding")}
        header, encoding = found["header"].lower(), found["encoding"] or "hex"
        return BodyHmac(header, found["prefix"], encoding).verify(delivery, keys, now)


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read the values at the options' paths."""
    word = fields.text(_value(body, delivery, "status"), 200) or ""
    known = fields.record(delivery.options.get("states")).get(word)
    meaning = _WORDS.get(str(known or word).lower().replace("-", "_").replace(" ", "_"))
    if meaning is None:
        return []
    provider_id = fields.text(_value(body, delivery, "id"), 200)
    own = fields.text(_value(body, delivery, "generation"), 200)
    if meaning is State.SUCCEEDED:
        outputs = fields.outputs(_value(body, delivery, "outputs"))
        return [result(provider_id, outputs, generation_id=own)]
    if isinstance(meaning, State):
        fraction = fields.fraction(_value(body, delivery, "progress"))
        progress = None if fraction is None else Progress(fraction)
        return [Report(meaning, provider_id, own, progress=progress)]
    state = State.CANCELED if meaning is ErrorCode.CANCELED else State.FAILED
    failure = Failure(meaning, fields.text(_value(body, delivery, "error")), word)
    return [Report(state, provider_id, own, failure=failure)]


def _value(body: Mapping[str, object], delivery: Delivery, name: str) -> object:
    """Return the value at the path in an option, or the field `name` if the option is not set."""
    return fields.at(body, delivery.options.get(name, name))


def _option(delivery: Delivery, name: str) -> str:
    return fields.text(delivery.options.get(name)) or ""


ADAPTER = Adapter(interpret, (ConfiguredHmac(),))
