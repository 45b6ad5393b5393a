"""A provider's report about one generation, in the same terms for all providers."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    Header = tuple[str, str]


class State(StrEnum):
    """A generation's state; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether no other state follows."""
        return self not in (State.QUEUED, State.RUNNING)


class Kind(StrEnum):
    """The kind of an output."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    MODEL = "model"  # a 3D model
    TEXT = "text"
    FILE = "file"


class ErrorCode(StrEnum):
    """Why a generation has no result. These are all codes that docs/protocol.md allows."""

    FAILED = "generation_failed"
    MODERATED = "moderated"
    TIMEOUT = "timeout"
    CANCELED = "canceled"
    INVALID_INPUT = "invalid_input"
    OUT_OF_CAPACITY = "out_of_capacity"
    EXPIRED = "expired"
    INCOMPLETE = "incomplete"


class Output(NamedTuple):
    """One file that a generation produced; None means unknown.

    Width and height are in pixels, `bytes` is the size, and `expires_at` is an RFC 3339 time.
    """

    url: str
    kind: Kind
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    bytes: int | None = None
    expires_at: str | None = None
    safe: bool | None = None


class Call(NamedTuple):
    """A request to a provider's API. The URL may contain a query."""

    method: str
    url: str
    headers: tuple[Header, ...] = ()


class File(NamedTuple):
    """A file that has no URL for a browser: its bytes, or the request that returns them.

    Herald stores it in its bucket. Width and height are in pixels; None means unknown.
    """

    kind: Kind
    content: bytes | None = None
    call: Call | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None


class Progress(NamedTuple):
    """The progress of a running generation; `fraction` is from 0 to 1."""

    fraction: float | None = None
    step: str | None = None
    preview_url: str | None = None


class Failure(NamedTuple):
    """Why a generation has no result; `provider_code` is the provider's own code."""

    code: ErrorCode
    message: str | None = None
    provider_code: str | None = None


class Report(NamedTuple):
    """One provider's statement about one generation.

    Parameters
    ----------
    provider_id
        The provider's id of the generation.
    generation_id
        Herald's id, if the payload contains it. An id in the path takes precedence.
    failure
        Of FAILED and CANCELED.
    repaired
        The names of details that were changed or dropped; only Herald's own payload names them.
    files
        Of SUCCEEDED: files without a URL, which follow the outputs. Only look-ups have them.
    thin
        The provider says only that something has happened: its API says what.
    """

    state: State
    provider_id: str | None
    generation_id: str | None = None
    outputs: tuple[Output, ...] = ()
    progress: Progress | None = None
    failure: Failure | None = None
    model: str | None = None
    repaired: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    thin: bool = False


def result(
    provider_id: str | None,
    outputs: tuple[Output, ...],
    *,
    generation_id: str | None = None,
    model: str | None = None,
    files: tuple[File, ...] = (),
) -> Report:
    """Return the final report of a generation that the provider calls successful.

    Herald delivers URLs, so a result without a URL or file is a failure with the code INCOMPLETE.
    """
    found = outputs or files
    failure = None if found else Failure(ErrorCode.INCOMPLETE, "The result contains no URL.")
    state = State.FAILED if failure else State.SUCCEEDED
    return Report(state, provider_id, generation_id, outputs, None, failure, model, (), files)
