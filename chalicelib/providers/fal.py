"""fal: https://docs.fal.ai/model-endpoints/webhooks

fal sends one webhook when a queued request ends; `payload` is the model's own output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import LookupFailed
from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, in_header, part, record
from chalicelib.providers.report import ErrorCode, Failure, Output, Report, State
from chalicelib.providers.verifiers import FourLineEd25519

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.providers.delivery import Delivery

_CODES = {
    "content_policy_violation": ErrorCode.MODERATED,
    "request_timeout": ErrorCode.TIMEOUT,
    "startup_timeout": ErrorCode.OUT_OF_CAPACITY,
    "runner_scheduling_failure": ErrorCode.OUT_OF_CAPACITY,
}


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read the end of a request."""
    status = body.get("status")
    if status not in ("OK", "ERROR"):
        return []
    payload = body.get("payload")
    outputs = tuple(_outputs(payload))[: fields.MAX_OUTPUTS] if status == "OK" else ()
    failure = None
    if not outputs:
        failure = _failure(body, fields.record(payload), failed=status == "ERROR")
    return [
        Report(
            State.FAILED if failure else State.SUCCEEDED,
            fields.text(body.get("request_id"), 200),
            outputs=outputs,
            failure=failure,
        )
    ]


def _outputs(payload: object, depth: int = fields.MAX_DEPTH) -> Iterator[Output]:
    """Yield every file in a model's output, an object with `url` and usually `content_type`."""
    if depth == 0 or not isinstance(payload, dict | list):
        return
    if isinstance(payload, dict) and isinstance(payload.get("url"), str):
        yield from fields.output(
            payload["url"],
            content_type=payload.get("content_type"),
            width=payload.get("width"),
            height=payload.get("height"),
            bytes=payload.get("file_size"),
        )
        return
    for inner in payload.values() if isinstance(payload, dict) else payload:
        yield from _outputs(inner, depth - 1)


def _failure(body: Mapping[str, object], payload: Mapping[str, object], *, failed: bool) -> Failure:
    if not failed:
        reason = fields.text(body.get("payload_error"))
        return Failure(ErrorCode.INCOMPLETE, reason or "The result names no file.")
    detail = next(iter(fields.items(payload.get("detail"))), None)
    first = fields.record(detail)
    word = fields.text(body.get("error_type")) or fields.text(first.get("type"))
    message = fields.text(first.get("msg")) or fields.text(payload.get("detail"))
    code = _CODES.get(word or "", ErrorCode.INVALID_INPUT if first else ErrorCode.FAILED)
    return Failure(code, message or fields.text(body.get("error")), word)


_STATES = {"IN_QUEUE": State.QUEUED, "IN_PROGRESS": State.RUNNING}
_REFUSED = (400, 422)  # with these statuses, the queue passes on the model's own failure
_ANY = (*_REFUSED, 404, 500)  # if the status already says that the request failed


def poll(job: Job, api: Api) -> list[Report]:
    """Read the status in the queue, then the result (fal_client 1.0.3, `SyncRequestHandle`).

    The result of a request that failed has the model's error status and body.
    """
    path = _path(job, api)
    state = api.get(f"{path}/status")
    status = str(state.get("status"))
    if status in _STATES:
        return [Report(_STATES[status], job.provider_id)]
    if status != "COMPLETED":
        return []
    failed = state.get("error") is not None
    answer = api.ask(api.call(path), *(_ANY if failed else _REFUSED))
    payload = record(answer.body)
    failed = failed or answer.status >= 300
    webhook = {
        "request_id": job.provider_id,
        "status": "ERROR" if failed else "OK",
        "payload": payload,
        "error": state.get("error"),
        "error_type": state.get("error_type"),
    }
    return api.read(interpret, webhook)


def cancel(job: Job, api: Api) -> None:
    """Cancel a request that still waits in the queue (fal_client 1.0.3, `cancel`)."""
    api.post(f"{_path(job, api)}/cancel", "PUT")


def _path(job: Job, api: Api) -> str:
    """The address contains the application: the row's `core_model`, else the option `model`.

    Of `owner/alias/sub/path`, the queue takes only the owner and the alias.
    """
    model = fields.text(job.model or api.options.get("model"), 200) or ""
    owner, _, rest = model.partition("/")
    alias = rest.partition("/")[0]
    if not owner or not alias:
        raise LookupFailed(0, reason="neither core_model nor the option names the fal application")
    return f"/{part(owner)}/{part(alias)}/requests/{part(job.provider_id)}"


ADAPTER = Adapter(
    interpret,
    (
        FourLineEd25519(
            request_id="x-fal-webhook-request-id",
            user_id="x-fal-webhook-user-id",
            timestamp="x-fal-webhook-timestamp",
            signature="x-fal-webhook-signature",
        ),
    ),
    jwks_url="https://rest.fal.ai/.well-known/jwks.json",
    polling=Polling(
        poll,
        "https://queue.fal.run",
        in_header("Authorization", "Key "),
        first_seconds=120,
        longest_seconds=600,
        per_minute=100,
        cancel=cancel,
    ),
    output_hosts=("fal.media", "*.fal.media"),
)
