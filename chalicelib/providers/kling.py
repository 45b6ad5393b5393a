"""Kling: one webhook for each change of a task's status, in two shapes.

The newer API sends `id`, `status` and `outputs`. The older API sends `task_id`, `task_status` and
`task_result`. Kling signs webhooks if the account has a webhook secret. If Herald has the secret,
it requires signatures; otherwise, it requires the capability in the path.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, bearer, part, parts
from chalicelib.providers.report import ErrorCode, Failure, Kind, Output, Report, State, result
from chalicelib.providers.verifiers import Capability, StandardWebhooks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.providers.delivery import Delivery

_LIFETIME_SECONDS = 30 * 86_400
_STATES = {
    "submitted": State.QUEUED,
    "processing": State.RUNNING,
    "succeeded": State.SUCCEEDED,
    "succeed": State.SUCCEEDED,  # the older shape
    "failed": State.FAILED,
}
_LEGACY = (("images", Kind.IMAGE), ("videos", Kind.VIDEO), ("audios", Kind.AUDIO))
_KINDS = {"image": Kind.IMAGE, "video": Kind.VIDEO, "audio": Kind.AUDIO, "voice": Kind.AUDIO}
_MODERATED = ("risk control", "sensitive", "moderat")  # in a failure's message


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a task."""
    legacy = "task_status" in body
    state = _STATES.get(str(body.get("task_status" if legacy else "status")))
    if state is None:
        return []
    provider_id = fields.text(body.get("task_id" if legacy else "id"), 200)
    task = fields.record(body.get("task_info"))
    own = fields.text(task.get("external_task_id") if legacy else body.get("external_id"), 200)
    if state is State.SUCCEEDED:
        outputs = _outputs(body, body.get("updated_at" if legacy else "update_time"))
        return [result(provider_id, outputs, generation_id=own)]
    message = fields.text(body.get("task_status_msg" if legacy else "message"))
    failure = _failure(message) if state is State.FAILED else None
    return [Report(state, provider_id, own, failure=failure)]


def _outputs(body: Mapping[str, object], ended: object) -> tuple[Output, ...]:
    expires_at = fields.later(ended, _LIFETIME_SECONDS)
    return tuple(
        output
        for kind, entry in list(_entries(body))[: fields.MAX_OUTPUTS]
        for output in fields.output(
            entry.get("url") or entry.get("mp3_url") or entry.get("wav_url"),
            kind=kind,
            duration_ms=fields.milliseconds(entry.get("duration")),
            expires_at=expires_at,
        )
    )


def _entries(body: Mapping[str, object]) -> Iterator[tuple[Kind | None, Mapping[str, object]]]:
    for entry in map(fields.record, fields.items(body.get("outputs"))):
        yield _KINDS.get(str(entry.get("type"))), entry
    results = fields.record(body.get("task_result"))
    for name, kind in _LEGACY:
        for entry in map(fields.record, fields.items(results.get(name))):
            yield kind, entry


def _failure(message: str | None) -> Failure:
    moderated = any(word in (message or "").lower() for word in _MODERATED)
    return Failure(ErrorCode.MODERATED if moderated else ErrorCode.FAILED, message)


def poll(job: Job, api: Api) -> list[Report]:
    """Read a task. The older API wraps it in `data`.

    The address depends on the kind of task. The option `path` names it, such as
    `videos/image2video`; by default, it is that of text to video.
    """
    path = parts(str(api.options.get("path", "videos/text2video")).strip("/"))
    body = api.get(f"/{path}/{part(job.provider_id)}")
    return api.read(interpret, fields.record(body.get("data")) or body)


def authorize(key: str, now: float) -> tuple[str, str]:
    """Return the header for an API key, or for a pair `<access key>:<secret key>`.

    With a pair, the token is a JWT that is signed with the secret key and lives for 30 minutes.
    """
    access, separator, secret = key.partition(":")
    return bearer(_token(access, secret, now) if separator else key, now)


def _token(access: str, secret: str, now: float) -> str:
    claims = {"iss": access, "exp": int(now) + 1800, "nbf": int(now) - 5}
    signed = f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(claims)}"
    digest = hmac.digest(secret.encode(), signed.encode(), "sha256")
    return f"{signed}.{urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _segment(value: Mapping[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


ADAPTER = Adapter(
    interpret,
    (StandardWebhooks(), Capability()),
    output_hosts=("*.klingai.com",),
    polling=Polling(
        poll,
        "https://api-singapore.klingai.com/v1",
        authorize,
        first_seconds=300,
        longest_seconds=900,
        per_minute=30,
    ),
)
