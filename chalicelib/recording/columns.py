"""What a provider's report changes in the row of its generation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NamedTuple

from chalicelib.providers.report import ErrorCode, Kind, State

if TYPE_CHECKING:
    from chalicelib.protocol import event_types
    from chalicelib.protocol.event_types import ErrorDetail
    from chalicelib.providers.report import Failure, Output, Progress, Report

DEFAULT_MESSAGE = "The generation failed."


class Result(NamedTuple):
    """The columns of a generation that has ended; None keeps the size and model of the row.

    `outputs` has the form of docs/providers.md.
    """

    status: Literal["COMPLETE", "ERROR"]
    image_url: str | None
    image_height: int | None
    image_width: int | None
    core_model: str | None
    error: ErrorDetail | None
    outputs: list[event_types.Output] | None
    unkept: int = 0  # files that have no URL, because Herald keeps no outputs

    @property
    def supersedes(self) -> bool:
        """Whether the result may replace Herald's own timeout or cancellation.

        A provider that confirms a cancellation reports nothing new.
        """
        return self.error is None or self.error["code"] != ErrorCode.CANCELED


def result(report: Report) -> Result:
    """Return the columns of a final report; the first picture is the image."""
    pictures = (output for output in report.outputs if output.kind is Kind.IMAGE)
    picture = next(pictures, None)
    return Result(
        "COMPLETE" if report.state is State.SUCCEEDED else "ERROR",
        picture and picture.url,
        picture and picture.height,
        picture and picture.width,
        report.model,
        _error(report.failure) if report.failure else None,
        [_output(output) for output in report.outputs] or None,
        len(report.files),
    )


def progress(found: Progress | None) -> str:
    """Return the column `progress`, as JSON; what is unknown is null."""
    fraction, step, preview = found or (None, None, None)
    return json.dumps({"progress": fraction, "step": step, "previewUrl": preview})


def _error(failure: Failure) -> ErrorDetail:
    error: ErrorDetail = {
        "code": failure.code,
        "message": failure.message or DEFAULT_MESSAGE,
    }
    if failure.provider_code is not None:
        error["providerCode"] = failure.provider_code
    return error


def _output(output: Output) -> event_types.Output:
    return {
        "kind": output.kind,
        "url": output.url,
        "contentType": output.content_type,
        "width": output.width,
        "height": output.height,
        "durationMs": output.duration_ms,
        "bytes": output.bytes,
        "expiresAt": output.expires_at,
        "safe": output.safe,
    }
