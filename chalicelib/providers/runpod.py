"""RunPod serverless: https://docs.runpod.io/serverless/endpoints/send-requests

RunPod sends one unsigned webhook when a job ends. `output` is whatever the worker returned. The
option `outputs` is the path of the URLs in the body, such as `output.images`. A base64 image has no
URL, so the job then ends as incomplete: let the worker upload its files (`BUCKET_ENDPOINT_URL`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import LookupFailed
from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, bearer, part
from chalicelib.providers.report import ErrorCode, Failure, Report, State, result
from chalicelib.providers.verifiers import Capability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.delivery import Delivery

_FAILURES = {
    "FAILED": ErrorCode.FAILED,
    "TIMED_OUT": ErrorCode.TIMEOUT,
    "CANCELLED": ErrorCode.CANCELED,
}
_RUNNING = {"IN_QUEUE": State.QUEUED, "IN_PROGRESS": State.RUNNING}


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a job, as `/status/<id>` shows it."""
    status = str(body.get("status"))
    provider_id = fields.text(body.get("id"), 200)
    if status == "COMPLETED":
        path = delivery.options.get("outputs", "output")
        return [result(provider_id, fields.outputs(fields.at(body, path)))]
    if status in _RUNNING:
        return [Report(_RUNNING[status], provider_id)]
    if status not in _FAILURES:
        return []
    failure = _failure(_FAILURES[status], body.get("error"))
    state = State.CANCELED if failure.code is ErrorCode.CANCELED else State.FAILED
    return [Report(state, provider_id, failure=failure)]


def _failure(code: ErrorCode, error: object) -> Failure:
    """Read an error. The SDK sends an exception as JSON; the traceback in it is dropped."""
    exception = fields.parsed(error)
    if not exception:
        return Failure(code, fields.text(error))
    message = fields.text(exception.get("error_message"))
    return Failure(code, message, fields.text(exception.get("error_type"), 200))


def poll(job: Job, api: Api) -> list[Report]:
    """Read the job's status, which has the form of the webhook.

    https://docs.runpod.io/serverless/endpoints/operations. The result is kept for 30 minutes.
    """
    return api.read(interpret, api.get(_path("status", job, api)))


def cancel(job: Job, api: Api) -> None:
    """https://docs.runpod.io/serverless/endpoints/operations"""
    api.post(_path("cancel", job, api))


def _path(operation: str, job: Job, api: Api) -> str:
    """The address contains the endpoint's id: the row's `core_model`, else the option."""
    endpoint = fields.text(job.model or api.options.get("endpoint"), 200)
    if endpoint is None:
        raise LookupFailed(0, reason="neither core_model nor the option names the endpoint")
    return f"/{part(endpoint)}/{operation}/{part(job.provider_id)}"


ADAPTER = Adapter(
    interpret,
    (Capability(),),
    polling=Polling(
        poll,
        "https://api.runpod.ai/v2",
        bearer,
        first_seconds=90,
        longest_seconds=600,
        per_minute=300,
        cancel=cancel,
    ),
)
