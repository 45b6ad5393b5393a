"""Google's Gemini API: videos and batches.

https://ai.google.dev/gemini-api/docs/webhooks, webhooks of a project ("static"). A webhook contains
only an id; the API has the result. Files need the API key, so Herald needs its bucket to deliver
them. A request of a batch finds its generation by its key, which is Herald's id (google-genai
3.6.1, `batches.py` and `_operations_converters.py`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import (
    Api,
    Job,
    Polling,
    decoded,
    in_header,
    lines,
    part,
    parts,
)
from chalicelib.providers.report import ErrorCode, Failure, File, Kind, Report, State, result
from chalicelib.providers.verifiers import StandardWebhooks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.providers.delivery import Delivery

_BATCH = "batches/"
_THIN = frozenset(
    {
        "video.generated",
        *(f"batch.{end}" for end in ("succeeded", "failed", "cancelled", "expired")),
    }
)
_FILE = re.compile(r"files/([A-Za-z0-9_-]{1,100})")
_CODES = {  # https://grpc.io/docs/guides/status-codes/
    "1": ErrorCode.CANCELED,
    "3": ErrorCode.INVALID_INPUT,
    "4": ErrorCode.TIMEOUT,
    "8": ErrorCode.OUT_OF_CAPACITY,
}
_STATES = {"PENDING": State.QUEUED, "RUNNING": State.RUNNING, "CANCELLING": State.RUNNING}
# How the requests of a batch end that its answers do not mention.
_REST = {
    "SUCCEEDED": Failure(ErrorCode.INCOMPLETE, "The batch has no answer to this request."),
    "FAILED": Failure(ErrorCode.FAILED, "The batch failed."),
    "EXPIRED": Failure(ErrorCode.EXPIRED, "The batch expired before this request."),
    "CANCELLED": Failure(ErrorCode.CANCELED, "The batch was canceled."),
}
_BLOCKED = ("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "RECITATION")  # in finish reasons


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a thin event."""
    kind = str(body.get("type"))
    found = fields.text(fields.record(body.get("data")).get("id"), 200)
    if kind not in _THIN or found is None:
        return []
    if kind.startswith("batch."):
        found = _BATCH + found.removeprefix(_BATCH)
    return [Report(State.RUNNING, found, thin=True)]


def poll(job: Job, api: Api) -> Iterator[Report]:
    """Read the operation that makes a video, or every request of a batch.

    https://ai.google.dev/gemini-api/docs/video and …/batch-api
    """
    if job.provider_id.startswith(_BATCH):
        yield from _batch(job, api)
        return
    body = api.get(f"/{_operation(job)}")
    if not body.get("done"):
        yield Report(State.RUNNING, job.provider_id)
    elif error := fields.record(body.get("error")):
        yield _failed(_failure(error), None)._replace(provider_id=job.provider_id)
    else:
        yield _video(fields.record(body.get("response")), api)._replace(provider_id=job.provider_id)


def _operation(job: Job) -> str:
    """Return the operation's name. If the id is only its last part, the row names the model."""
    if "/" in job.provider_id:
        return parts(job.provider_id)
    model = f"models/{part(job.model.removeprefix('models/'))}/" if job.model else ""
    return f"{model}operations/{part(job.provider_id)}"


def _video(response: Mapping[str, object], api: Api) -> Report:
    answer = fields.record(response.get("generateVideoResponse"))
    samples = map(fields.record, fields.items(answer.get("generatedSamples")))
    videos = [fields.record(sample.get("video")) for sample in samples][: fields.MAX_OUTPUTS]
    files = tuple(file for video in videos for file in _download(video, api))
    if not files and fields.whole(answer.get("raiMediaFilteredCount")):
        reasons = fields.items(answer.get("raiMediaFilteredReasons"))
        message = fields.text(next(iter(reasons), None)) or "The video was filtered."
        return _failed(Failure(ErrorCode.MODERATED, message), None)
    return result(None, (), files=files)


def _download(video: Mapping[str, object], api: Api) -> tuple[File, ...]:
    """Return a video. Its URI is rebuilt, so that the key is sent only to the API itself."""
    if content := decoded(video.get("encodedVideo")):
        return (File(Kind.VIDEO, content, content_type=fields.text(video.get("encoding"), 200)),)
    found = _FILE.search(str(video.get("uri")))
    if found is None:
        return ()
    return (File(Kind.VIDEO, call=api.call(_media(found[1])), content_type="video/mp4"),)


def _media(file_id: str) -> str:
    return f"/files/{part(file_id)}:download?alt=media"


def _batch(job: Job, api: Api) -> Iterator[Report]:
    """Yield a report for each answer of the batch, and one for all other requests."""
    body = api.get(f"/{parts(job.provider_id)}")
    metadata = fields.record(body.get("metadata"))
    state = str(metadata.get("state")).rpartition("_STATE_")[2]
    if state in _STATES:
        yield Report(_STATES[state], job.provider_id)
        return
    if state not in _REST:
        return
    output = fields.record(metadata.get("output")) or fields.record(body.get("response"))
    yield from filter(None, map(_answer, _answers(output, api)))
    yield _failed(_REST[state], None)._replace(provider_id=job.provider_id)


def _answers(output: Mapping[str, object], api: Api) -> Iterator[Mapping[str, object]]:
    inline = fields.record(output.get("inlinedResponses")).get("inlinedResponses")
    yield from map(fields.record, fields.items(inline))
    if found := _FILE.search(str(output.get("responsesFile"))):
        yield from lines(api.ask(api.call(_media(found[1]))).body)


def _answer(line: Mapping[str, object]) -> Report | None:
    """Read one answer. Its key is `key` in a file, and in the metadata of an inline answer."""
    own = fields.uuid(line.get("key") or fields.record(line.get("metadata")).get("key"))
    if own is None:  # the request of another application
        return None
    if error := fields.record(line.get("error")):
        return _failed(_failure(error), own)
    response = fields.record(line.get("response"))
    candidates = [fields.record(found) for found in fields.items(response.get("candidates"))]
    files = tuple(file for found in candidates for file in _inline(found))[: fields.MAX_OUTPUTS]
    blocked = fields.record(response.get("promptFeedback")).get("blockReason")
    reasons = [blocked, *(found.get("finishReason") for found in candidates)]
    words = [str(reason) for reason in reasons if reason]
    if not files and any(word in reason for reason in words for word in _BLOCKED):
        failure = Failure(
            ErrorCode.MODERATED, "The result was blocked.", fields.text(words[0], 200)
        )
        return _failed(failure, own)
    return result(None, (), generation_id=own, files=files)


def _inline(candidate: Mapping[str, object]) -> Iterator[File]:
    pieces = fields.items(fields.record(candidate.get("content")).get("parts"))
    for piece in map(fields.record, pieces):
        data = fields.record(piece.get("inlineData"))
        media = fields.text(data.get("mimeType"), 200)
        if content := decoded(data.get("data")):
            yield File(fields.kind(media), content, content_type=media)


def _failed(failure: Failure, own: str | None) -> Report:
    canceled = failure.code is ErrorCode.CANCELED
    state = State.CANCELED if canceled else State.FAILED
    return Report(state, None, own, failure=failure)


def _failure(error: Mapping[str, object]) -> Failure:
    word = fields.text(error.get("code"), 200)
    message = fields.text(error.get("message"))
    return Failure(_CODES.get(word or "", ErrorCode.FAILED), message, word)


ADAPTER = Adapter(
    interpret,
    (StandardWebhooks(),),
    output_hosts=("storage.googleapis.com", "*.googleusercontent.com"),
    polling=Polling(
        poll,
        "https://generativelanguage.googleapis.com/v1beta",
        in_header("x-goog-api-key"),
        first_seconds=120,
        longest_seconds=900,
    ),
)
