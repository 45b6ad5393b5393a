"""The `reconcile` function. It asks providers about generations whose webhook did not come, ends
those that are past their deadline, resolves thin events, and cancels.

It runs every minute. `callback` and `message` invoke it directly, with events of the same form:
Chalice reads them all as events of EventBridge.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import metrics, telemetry
from chalicelib.aws import reconcile_events
from chalicelib.aws.invocation import deadline_of
from chalicelib.errors import DatabaseError, LookupFailed, ServiceError
from chalicelib.providers import fields
from chalicelib.providers.polling import Job
from chalicelib.recording import lookups, watching
from chalicelib.recording.lookups import Group, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.aws.lambda_events import LambdaContext
    from chalicelib.recording.database import Database
    from chalicelib.recording.ending import Canceled, Ending
    from chalicelib.recording.lookups import Lookups
    from chalicelib.recording.provider_apis import Known, ProviderApis

ROWS = 20  # of one provider in one claim
MARGIN_SECONDS = 15.0  # at the end of a run, in which no look-up begins
CANCEL_SECONDS = 5.0  # for the provider's answer
SHORTEST_WAIT_SECONDS = 1.0  # a due row may be locked, or its provider paused
POSTPONE_SECONDS = 5.0  # of rows that were claimed but not looked up


class _Done(NamedTuple):
    """What a run has done so far: look-ups, results, and rows that timed out."""

    looked_up: int = 0
    recorded: int = 0
    timed_out: int = 0


class Reconcile:
    """The `reconcile` function.

    Parameters
    ----------
    deadline_seconds
        From a row's insertion to its timeout; 0 for none.
    """

    def __init__(
        self,
        database: Database,
        ending: Ending,
        apis: ProviderApis,
        lookups: Lookups,
        deadline_seconds: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._ending = ending
        self._apis = apis
        self._lookups = lookups
        self._deadline_seconds = deadline_seconds
        self._sleep = sleep

    def handle(self, event: Mapping[str, object], context: LambdaContext) -> dict[str, object]:
        """Run once, resolve one event, or cancel one generation.

        Raises
        ------
        DatabaseError
            PostgreSQL failed. Nothing is lost: the next run continues.
        """
        deadline = deadline_of(context)
        detail = fields.record(event.get("detail"))
        try:
            match event.get("detail-type"):
                case reconcile_events.RESOLVE:
                    return self._resolve(detail, deadline)
                case reconcile_events.CANCEL:
                    return self._cancel(detail, deadline)
            return self._run(deadline)
        except DatabaseError as exc:
            telemetry.emit({metrics.DATABASE_FAILURES: 1})
            telemetry.error("reconcile stopped: the database failed", error=str(exc))
            raise

    # --- the schedule ---

    def _run(self, deadline: float) -> dict[str, object]:
        known = self._known()
        paces = [provider.pace for provider in known.values()]
        adopted = self._database.run(
            lambda cursor: watching.adopt(cursor, paces, deadline_seconds=self._deadline_seconds),
            deadline=deadline,
        )
        done = _Done(timed_out=self._expire(deadline))
        while time.monotonic() + MARGIN_SECONDS < deadline:
            rows = self._database.run(
                lambda cursor: watching.claim(cursor, paces, limit=ROWS), deadline=deadline
            )
            asked, recorded = self._look_up(lookups.groups(rows), known, deadline)
            done = done._replace(
                looked_up=done.looked_up + asked,
                recorded=done.recorded + recorded,
                timed_out=done.timed_out + self._expire(deadline),
            )
            if not rows and not self._wait(known, deadline):
                break
        self._measure(deadline)
        found = {"adopted": adopted, **done._asdict()}
        if telemetry.detailed(None):
            telemetry.debug("reconcile done", **found)
        return found

    def _known(self) -> dict[str, Known]:
        try:
            return self._apis.known()
        except ServiceError as exc:  # deadlines need no keys
            telemetry.error("providers' keys not read", error=str(exc))
            return {}

    def _look_up(
        self, found: list[Group], known: Mapping[str, Known], deadline: float
    ) -> tuple[int, int]:
        """Look groups up; return the numbers of look-ups and of recorded results.

        A provider that fails is not asked again in this run.
        """
        asked = recorded = 0
        closed: dict[str, float] = {}
        for group in found:
            if group.provider in closed or time.monotonic() + MARGIN_SECONDS > deadline:
                seconds = closed.get(group.provider, POSTPONE_SECONDS)
                self._postpone(group, seconds, deadline)
                continue
            try:
                recorded += self._lookups.look_up(known[group.provider], group, deadline=deadline)
            except Unavailable as exc:
                closed[group.provider] = exc.seconds
                self._pause(group, exc.seconds, deadline)
            asked += 1
        return asked, recorded

    def _pause(self, group: Group, seconds: float, deadline: float) -> None:
        self._database.run(
            lambda cursor: watching.pause(cursor, group.provider, seconds), deadline=deadline
        )
        self._postpone(group, seconds, deadline)

    def _postpone(self, group: Group, seconds: float, deadline: float) -> None:
        self._database.run(
            lambda cursor: watching.postpone(cursor, group.rows, seconds), deadline=deadline
        )

    def _wait(self, known: Mapping[str, Known], deadline: float) -> bool:
        """Wait for the next look-up at a provider without webhooks; False if none is due in time.

        These look-ups are the only way to learn of the result, so they do not wait a minute.
        """
        names = [name for name, provider in known.items() if not provider.polling.webhooks]
        if not names:
            return False
        seconds = self._database.run(
            lambda cursor: watching.seconds_until_due(cursor, names), deadline=deadline
        )
        if seconds is None or time.monotonic() + seconds + MARGIN_SECONDS > deadline:
            return False
        self._sleep(max(seconds, SHORTEST_WAIT_SECONDS))
        return True

    def _expire(self, deadline: float) -> int:
        count = 0
        while time.monotonic() + MARGIN_SECONDS < deadline:
            generation_id = self._ending.expire_one(deadline=deadline)
            if generation_id is None:
                break
            count += 1
            telemetry.warning("generation timed out", generation_id=generation_id)
        if count:
            telemetry.emit({metrics.GENERATIONS_TIMED_OUT: count})
        return count

    def _measure(self, deadline: float) -> None:
        for provider, rows in self._database.run(watching.overdue, deadline=deadline).items():
            telemetry.emit({metrics.GENERATIONS_OVERDUE: rows}, provider=provider)

    # --- invocations ---

    def _resolve(self, detail: Mapping[str, object], deadline: float) -> dict[str, object]:
        """Look up what a thin event is about. If it fails, the schedule tries again."""
        name, provider_id = str(detail.get("provider")), str(detail.get("provider_id"))
        provider = self._known().get(name)
        if provider is None:
            telemetry.error("thin event not resolved: there is no API key", provider=name)
            return {"outcome": "no_key"}
        rows = self._database.run(
            lambda cursor: watching.find(cursor, name, provider_id), deadline=deadline
        )
        found = lookups.groups(rows) or [Group(name, provider_id, None, {})]
        try:
            recorded = sum(
                self._lookups.look_up(provider, group, deadline=deadline) for group in found
            )
        except Unavailable as exc:
            self._pause(found[0], exc.seconds, deadline)
            return {"outcome": "unavailable"}
        return {"outcome": "resolved", "recorded": recorded}

    def _cancel(self, detail: Mapping[str, object], deadline: float) -> dict[str, object]:
        generation_id = fields.uuid(detail.get("generation"))
        user = detail.get("user")
        if generation_id is None or not isinstance(user, str | None):
            return {"outcome": "not_cancelable"}
        found = self._ending.cancel(generation_id, user, deadline=deadline)
        if found is None:
            return {"outcome": "not_cancelable"}
        if not found.again:
            telemetry.emit({metrics.GENERATIONS_CANCELED: 1})
        asked = self._cancel_at_provider(found, deadline)
        telemetry.info("generation canceled", generation_id=generation_id, at_provider=asked)
        return {"outcome": "canceled", "atProvider": asked}

    def _cancel_at_provider(self, found: Canceled, deadline: float) -> str:
        """Ask the provider to stop. Its answer changes nothing: the generation has ended."""
        provider = self._known().get(found.provider or "")
        if provider is None or provider.polling.cancel is None or not found.provider_id:
            return "not_possible"
        limit = min(deadline, time.monotonic() + CANCEL_SECONDS)
        try:
            job = Job(found.provider_id, found.model)
            provider.polling.cancel(job, self._apis.api(provider, deadline=limit))
        except LookupFailed as exc:
            telemetry.warning("not canceled at the provider", error=str(exc))
            return "refused"
        return "accepted"
