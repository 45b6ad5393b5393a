"""Ends generations without a report from the provider: past their deadline, or canceled.

Such an end is provisional. If the provider reports a result afterwards, the result supersedes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib.providers.report import ErrorCode
from chalicelib.recording import generations, watching
from chalicelib.recording.columns import Result
from chalicelib.recording.generations import Source
from chalicelib.recording.recorder import publish_and_mark

if TYPE_CHECKING:
    from chalicelib.protocol.event_types import ErrorDetail
    from chalicelib.recording.cursor import Cursor
    from chalicelib.recording.database import Database
    from chalicelib.recording.generations import Recorded
    from chalicelib.recording.publishing import Publisher

_MESSAGES = {
    ErrorCode.TIMEOUT: "The generation did not end in time.",
    ErrorCode.CANCELED: "The generation was canceled.",
}


class Canceled(NamedTuple):
    """A canceled generation, as its provider knows it. `again` is true if it already was."""

    provider: str | None
    provider_id: str | None
    model: str | None
    again: bool


class Ending:
    """Ends generations and publishes their events. Every method may raise DatabaseError."""

    def __init__(self, stage: str, database: Database, publisher: Publisher) -> None:
        self._stage = stage
        self._database = database
        self._publisher = publisher

    def expire_one(self, *, deadline: float) -> str | None:
        """End one generation that is past its deadline; return its id, or None without one."""

        def transaction(cursor: Cursor) -> Recorded | None:
            generation_id = watching.expired(cursor)
            if generation_id is None:
                return None
            return self._end(cursor, generation_id, ErrorCode.TIMEOUT)

        recorded = self._database.run(transaction, deadline=deadline)
        self._publish(recorded, deadline)
        return recorded and recorded.generation_id

    def cancel(
        self, generation_id: str, user_id: str | None, *, deadline: float
    ) -> Canceled | None:
        """Cancel a generation.

        Parameters
        ----------
        user_id
            Its owner; None for an operator, who may cancel any.

        Returns
        -------
        None if it is unknown, belongs to somebody else, or has already ended in another way.
        """

        def transaction(cursor: Cursor) -> tuple[Canceled | None, Recorded | None]:
            row = watching.to_cancel(cursor, generation_id, user_id)
            if row is None:
                return None, None
            found = Canceled(row["provider"], row["provider_id"], row["core_model"], row["again"])
            return found, self._end(cursor, generation_id, ErrorCode.CANCELED)

        found, recorded = self._database.run(transaction, deadline=deadline)
        self._publish(recorded, deadline)
        return found

    def _end(self, cursor: Cursor, generation_id: str, code: ErrorCode) -> Recorded:
        """End a generation and commit; one that has ended before is only published again."""
        error: ErrorDetail = {"code": code.value, "message": _MESSAGES[code]}
        result = Result("ERROR", None, None, None, None, error, None)
        return generations.record_result(
            cursor, result, Source(None, generation_id), stage=self._stage, provisional=True
        )

    def _publish(self, recorded: Recorded | None, deadline: float) -> None:
        if recorded and recorded.event_id is not None and recorded.event is not None:
            publish_and_mark(
                self._database,
                self._publisher,
                recorded.event_id,
                recorded.event,
                deadline=deadline,
            )
