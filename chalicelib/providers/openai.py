"""OpenAI: background responses with pictures, and batches.

https://platform.openai.com/docs/guides/webhooks. A webhook contains only an id; OpenAI's API has
the result. Pictures are base64, so Herald needs its bucket to deliver them. A response finds its
generation by the metadata `generation_id`, else by the row's `provider_id`. A request of a batch
finds it by its `custom_id`, which is Herald's id (openai 3.57.0, `types/`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, bearer, decoded, lines, part
from chalicelib.providers.report import (
    ErrorCode,
    Failure,
    File,
    Kind,
    Progress,
    Report,
    State,
    result,
)
from chalicelib.providers.verifiers import StandardWebhooks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.providers.delivery import Delivery

_THIN = frozenset(
    [f"response.{end}" for end in ("completed", "failed", "cancelled", "incomplete")]
    + [f"batch.{end}" for end in ("completed", "failed", "expired", "cancelled")]
)
_WAITING = {"queued": State.QUEUED, "in_progress": State.RUNNING}
_CODES = {
    "content_policy_violation": ErrorCode.MODERATED,
    "moderation_blocked": ErrorCode.MODERATED,
    "invalid_prompt": ErrorCode.INVALID_INPUT,
    "invalid_request_error": ErrorCode.INVALID_INPUT,
    "rate_limit_exceeded": ErrorCode.OUT_OF_CAPACITY,
    "batch_expired": ErrorCode.EXPIRED,
    "batch_cancelled": ErrorCode.CANCELED,
}
# How the requests of a batch end that its files do not mention.
_REST = {
    "completed": Failure(ErrorCode.INCOMPLETE, "The batch has no answer to this request."),
    "failed": Failure(ErrorCode.FAILED, "The batch failed."),
    "expired": Failure(ErrorCode.EXPIRED, "The batch expired before this request."),
    "cancelled": Failure(ErrorCode.CANCELED, "The batch was canceled."),
}


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a thin event."""
    provider_id = fields.text(fields.record(body.get("data")).get("id"), 200)
    if str(body.get("type")) not in _THIN or provider_id is None:
        return []
    return [Report(State.RUNNING, provider_id, thin=True)]


def poll(job: Job, api: Api) -> Iterator[Report]:
    """Read a response, or every request of a batch.

    https://platform.openai.com/docs/api-reference/responses/get and …/batch/retrieve
    """
    if job.provider_id.startswith("batch_"):
        yield from _batch(job, api)
        return
    body = api.get(f"/responses/{part(job.provider_id)}")
    own = fields.uuid(fields.record(body.get("metadata")).get("generation_id"))
    if report := _response(body, own):
        yield report._replace(provider_id=job.provider_id)


def _response(body: Mapping[str, object], own: str | None) -> Report | None:
    """Read a response; its model is the one that wrote it, not the one that painted."""
    status = str(body.get("status"))
    if status in _WAITING:
        return Report(_WAITING[status], None, own)
    if status == "completed":
        calls = [
            call
            for call in map(fields.record, fields.items(body.get("output")))
            if call.get("type") == "image_generation_call"
        ][: fields.MAX_OUTPUTS]
        files = tuple(
            File(Kind.IMAGE, content) for call in calls if (content := decoded(call.get("result")))
        )
        error = next((found for call in calls if (found := fields.record(call.get("error")))), None)
        if error and not files:
            return _failed(_failure(error), own)
        return result(None, (), generation_id=own, files=files)
    if status == "failed":
        return _failed(_failure(fields.record(body.get("error"))), own)
    if status == "cancelled":
        return _failed(Failure(ErrorCode.CANCELED), own)
    if status == "incomplete":
        reason = fields.text(fields.record(body.get("incomplete_details")).get("reason"), 200)
        filtered = reason == "content_filter"
        code = ErrorCode.MODERATED if filtered else ErrorCode.INCOMPLETE
        return _failed(Failure(code, "The response is incomplete.", reason), own)
    return None


def _batch(job: Job, api: Api) -> Iterator[Report]:
    """Yield a report for each request in the batch's files, and one for all others."""
    body = api.get(f"/batches/{part(job.provider_id)}")
    status = str(body.get("status"))
    if status not in _REST:
        yield Report(State.RUNNING, job.provider_id, progress=_progress(body))
        return
    for name in ("output_file_id", "error_file_id"):
        if file_id := fields.text(body.get(name), 200):
            answer = api.ask(api.call(f"/files/{part(file_id)}/content"))
            yield from filter(None, map(_line, lines(answer.body)))
    yield _failed(_REST[status], None)._replace(provider_id=job.provider_id)


def _progress(body: Mapping[str, object]) -> Progress | None:
    counts = fields.record(body.get("request_counts"))
    done, total = fields.number(counts.get("completed")), fields.whole(counts.get("total"))
    return Progress(fields.fraction(done / total)) if done is not None and total else None


def _line(line: Mapping[str, object]) -> Report | None:
    """Read a line of a batch's file, a response or the answer of the Images API."""
    own = fields.uuid(line.get("custom_id"))
    if own is None:  # the request of another application
        return None
    answer = fields.record(line.get("response"))
    body = fields.record(answer.get("body"))
    error = fields.record(line.get("error")) or fields.record(body.get("error"))
    if error and body.get("status") is None:
        return _failed(_failure(error), own)
    return _images(body, own) if "data" in body else _response(body, own)


def _images(body: Mapping[str, object], own: str) -> Report:
    width, height = fields.size(body.get("size"))
    images = [fields.record(image) for image in fields.items(body.get("data"))]
    images = images[: fields.MAX_OUTPUTS]
    outputs = tuple(
        output
        for image in images
        for output in fields.output(image.get("url"), kind=Kind.IMAGE, width=width, height=height)
    )
    files = tuple(
        File(Kind.IMAGE, content, width=width, height=height)
        for image in images
        if (content := decoded(image.get("b64_json")))
    )
    return result(None, outputs, generation_id=own, files=files)


def _failed(failure: Failure, own: str | None) -> Report:
    canceled = failure.code is ErrorCode.CANCELED
    state = State.CANCELED if canceled else State.FAILED
    return Report(state, None, own, failure=failure)


def _failure(error: Mapping[str, object]) -> Failure:
    word = fields.text(error.get("code"), 200) or fields.text(error.get("type"), 200)
    return Failure(
        _CODES.get(word or "", ErrorCode.FAILED), fields.text(error.get("message")), word
    )


ADAPTER = Adapter(
    interpret,
    (StandardWebhooks(),),
    polling=Polling(
        poll,
        "https://api.openai.com/v1",
        bearer,
        first_seconds=120,
        longest_seconds=900,
    ),
)
