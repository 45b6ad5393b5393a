"""Looks generations up at their provider, and records what it says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from chalicelib import metrics, telemetry
from chalicelib.errors import DatabaseError, HeraldError, LookupFailed
from chalicelib.providers.polling import Job, batch_member
from chalicelib.recording import watching
from chalicelib.recording.generations import Outcome, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chalicelib.providers.report import File, Output, Report
    from chalicelib.recording.database import Database
    from chalicelib.recording.provider_apis import Known, ProviderApis
    from chalicelib.recording.recorder import Recorder
    from chalicelib.recording.watching import Due

FAILURE_SECONDS = 60.0  # without Retry-After, until a provider that fails is asked again
RECORD_SECONDS = 9.0  # after the provider's answer, to record and publish it
KEY_SECONDS = 300.0  # the same, after it refused the key


class Keeper(Protocol):
    """Stores files that have no URL for a browser."""

    def keep(self, row: Due, number: int, file: File, *, deadline: float) -> Output | None:
        """Store a file as a generation's output with that number, and return the output.

        None means that the file can never be stored. Raises HeraldError if another try may succeed.
        """


class Group(NamedTuple):
    """Rows that one look-up answers: one generation, or several requests of one batch."""

    provider: str
    provider_id: str
    model: str | None
    rows: dict[str, Due]


class Unavailable(HeraldError):
    """The provider cannot be asked for some seconds; `seconds` says for how many."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"ask again in {seconds:.0f} s")
        self.seconds = seconds


class Lookups:
    """Performs look-ups. `keeper` is None if Herald keeps no outputs."""

    def __init__(
        self, database: Database, recorder: Recorder, apis: ProviderApis, keeper: Keeper | None
    ) -> None:
        self._database = database
        self._recorder = recorder
        self._apis = apis
        self._keeper = keeper

    def look_up(self, provider: Known, group: Group, *, deadline: float) -> int:
        """Ask the provider about a group; return the number of recorded results.

        Raises
        ------
        Unavailable
            The provider failed or refused our key: nothing else should be asked of it now.
        DatabaseError
            A result was not recorded.
        """
        began, left, recorded = time.monotonic(), dict(group.rows), 0
        job = Job(group.provider_id, group.model)
        failure: LookupFailed | None = None
        try:
            api = self._apis.api(provider, deadline=deadline - RECORD_SECONDS)
            for report in provider.polling.poll(job, api):
                for row in self._rows_of(report, group, left, deadline):
                    recorded += self._record(report, row, deadline)
        except LookupFailed as exc:
            failure = exc
        except DatabaseError:
            raise
        except HeraldError as exc:  # a file was not stored
            telemetry.warning("file not stored", provider=group.provider, error=str(exc))
            telemetry.emit({metrics.FILES_NOT_STORED: 1})
        self._report(group, recorded, failure, time.monotonic() - began)
        if failure is not None and _concerns_provider(failure):
            raise Unavailable(_pause(failure))
        return recorded

    def _rows_of(
        self, report: Report, group: Group, left: dict[str, Due], deadline: float
    ) -> Iterable[Due]:
        """Return the rows that a report is about; a result takes them out of `left`."""
        own = report.generation_id
        if own is None or (own in left and len(group.rows) == 1):
            rows = list(left.values())
        elif own in left:
            rows = [left[own]]
        else:
            row = self._database.run(
                lambda cursor: watching.by_id(cursor, group.provider, own), deadline=deadline
            )
            rows = [row] if row else []
        if report.state.is_final:
            for row in rows:
                left.pop(row.id, None)
        return rows

    def _record(self, report: Report, row: Due, deadline: float) -> bool:
        if not report.state.is_final and report.progress is None:
            return False  # "still running" is no news
        source = Source(row.provider, row.id, row.provider_id or None)
        found = self._kept(report, row, deadline)
        recorded = self._recorder.record(found, source, deadline=deadline, may_wait=False)
        return recorded.outcome is Outcome.RECORDED

    def _kept(self, report: Report, row: Due, deadline: float) -> Report:
        """Store a report's files. Without a keeper, they have no URL, and the event says so."""
        if self._keeper is None or not report.files:
            return report
        outputs, lost = list(report.outputs), []
        for file in report.files:
            output = self._keeper.keep(row, len(outputs), file, deadline=deadline)
            if output is None:
                lost.append(file)
            else:
                outputs.append(output)
        return report._replace(outputs=tuple(outputs), files=tuple(lost))

    def _report(
        self, group: Group, recorded: int, failure: LookupFailed | None, seconds: float
    ) -> None:
        telemetry.emit(
            {
                metrics.LOOKUPS: 1,
                metrics.LOOKUP_FAILURES: int(failure is not None),
                metrics.RESULTS_RECONCILED: recorded,
            },
            provider=group.provider,
        )
        found = {
            "provider": group.provider,
            "generation_id": next(iter(group.rows), None),
            "rows": len(group.rows),
            "milliseconds": round(seconds * 1000),
        }
        if failure:
            telemetry.warning("look-up failed", **found, error=str(failure))
        elif recorded:
            telemetry.info("found by a look-up", **found)


def groups(rows: Sequence[Due]) -> list[Group]:
    """Put the requests of one batch together; every other row is a group of its own."""
    found: dict[tuple[str, str], Group] = {}
    for row in rows:
        provider_id, _ = batch_member(row.provider_id)
        group = found.setdefault(
            (row.provider, provider_id), Group(row.provider, provider_id, row.core_model, {})
        )
        group.rows[row.id] = row
    return list(found.values())


def _concerns_provider(failure: LookupFailed) -> bool:
    """Whether other generations would fail in the same way: 4xx blames one id or address."""
    return failure.status in (401, 403, 429) or failure.status >= 500 or failure.is_silent


def _pause(failure: LookupFailed) -> float:
    if failure.retry_after is not None:
        return max(failure.retry_after, 1.0)
    return KEY_SECONDS if failure.blames_key else FAILURE_SECONDS
