"""ComfyDeploy: https://comfydeploy.com/docs/v2/api-docs/callbacks/receive-run-status-updates-via-webhook

ComfyDeploy sends the run, unsigned, when it ends. With `webhook_intermediate_status`, it also sends
the run while it is in progress.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.report import ErrorCode, Failure, Output, Progress, Report, State, result
from chalicelib.providers.verifiers import Capability

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.providers.delivery import Delivery

_RUNNING = {
    "not-started": State.QUEUED,
    "queued": State.QUEUED,
    "started": State.RUNNING,
    "running": State.RUNNING,
    "uploading": State.RUNNING,
}
_FAILURES = {
    "failed": (State.FAILED, ErrorCode.FAILED),
    "timeout": (State.FAILED, ErrorCode.TIMEOUT),
    "cancelled": (State.CANCELED, ErrorCode.CANCELED),
}


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a run."""
    status = str(body.get("status"))
    provider_id = fields.text(body.get("run_id"), 200)
    step = fields.text(body.get("live_status"), 200)
    outputs = tuple(_outputs(body.get("outputs")))[: fields.MAX_OUTPUTS]
    if status == "success":
        return [result(provider_id, outputs)]
    if status in _RUNNING:
        preview = outputs[-1].url if outputs else None
        progress = Progress(fields.fraction(body.get("progress")), step, preview)
        return [Report(_RUNNING[status], provider_id, progress=progress)]
    if status not in _FAILURES:
        return []
    state, code = _FAILURES[status]
    return [Report(state, provider_id, failure=Failure(code, step, status))]


def _outputs(value: object) -> Iterator[Output]:
    """Yield the files of every node. A node has lists of files, under names such as `images`; each
    file is an object with `url`.
    """
    for node in map(fields.record, fields.items(value)):
        for files in fields.record(node.get("data")).values():
            for file in map(fields.record, fields.items(files)):
                yield from fields.output(file.get("url"))


ADAPTER = Adapter(
    interpret,
    (Capability(),),
    output_hosts=(
        "comfy-deploy-output.s3.amazonaws.com",
        "comfy-deploy-output.s3.us-east-2.amazonaws.com",
    ),
)
