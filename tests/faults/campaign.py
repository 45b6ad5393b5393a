"""A long test run with generations, clients, a provider that retries, and a schedule of faults."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import psycopg2
from botocore.exceptions import ClientError

from chalicelib.aws import reconcile_events
from chalicelib.outputs.keep import PAUSES
from tests.faults.clients import running
from tests.faults.files import Files, Links
from tests.faults.history import History
from tests.faults.nemesis import Nemesis
from tests.faults.schedule import plan
from tests.faults.stack import VISIBILITY_SECONDS
from tests.integration.outputs import cdn
from tests.providers import Provider

if TYPE_CHECKING:
    from tests.faults.stack import FaultStack
    from tooling.providers.samples import State

PROVIDERS = {"generations": 2, "replicate": 2, "fal": 1}  # and how often each is used
POLLED = {"replicate": "acme/painter", "fal": "fal-ai/flux/dev"}  # providers with an API
CANCELED = 0.05  # share of generations that their users cancel
WITHHELD = 1 / 3  # share of their webhooks that never come: a fifth of all webhooks
USERS = 5
CLIENTS_PER_USER = 3
PER_SECOND = 3.0  # generations
CALLS_AT_ONCE = 6
RELAY_SECONDS = 3.0  # a minute in production; also between two runs of reconcile
SETTLE_SECONDS = 90.0
COPY_SECONDS = SETTLE_SECONDS + sum(PAUSES)  # a copy that failed is tried again after minutes


class Order(NamedTuple):
    """A generation, with the result that the provider will report and the time of the report in
    seconds.
    """

    generation: str
    user: str
    status: str
    at: float
    calls: tuple[str, ...]  # one id of a delivery per call; a provider may call more than once
    provider: str = "generations"
    progress: tuple[float, ...] = ()  # when it reports progress, sometimes after the result
    canceled: float | None = None  # when its user cancels it; the provider reports nevertheless
    withheld: bool = False  # its webhook never comes: the result is only at the provider's API


class Campaign:
    """One run; `run`, on the background loop, returns its history."""

    def __init__(self, stack: FaultStack, seed: int, generations: int) -> None:
        self._stack = stack
        self.history = History()
        source = random.Random(seed)
        seconds = generations / PER_SECOND
        self.faults = plan(seed, seconds, visibility=VISIBILITY_SECONDS)
        run = uuid.uuid4().hex[:6]
        self._providers = {name: Provider(name, stack.env) for name in PROVIDERS}
        self._users = [f"faults-{run}-{number}" for number in range(1, USERS + 1)]
        self._clients = [
            stack.new_client(
                user,
                self.history,
                name=f"{user}/{number}",
                source=random.Random(source.getrandbits(32)),
            )
            for user in self._users
            for number in range(1, CLIENTS_PER_USER + 1)
        ]
        self._orders = [
            _order(source, source.choice(self._users), number / PER_SECOND)
            for number in range(generations)
        ]
        self._nemesis = Nemesis(stack, self.history, self._clients, self._users)
        self._calling = asyncio.Semaphore(CALLS_AT_ONCE)
        self._http: httpx.AsyncClient
        self._pause = random.Random(source.getrandbits(32))
        self._pictures = random.Random(source.getrandbits(32))
        self._urls: dict[str, tuple[str, ...]] = {}  # of each generation's files
        self._links: Links

    async def run(self) -> History:
        with cdn.running() as server:
            files = Files(server, self.history, self._pictures)
            self._add_files(files)
            await self._run(files)
        return self.history

    async def _run(self, files: Files) -> None:
        await asyncio.to_thread(self._prepare)
        async with httpx.AsyncClient(timeout=20) as self._http, running(*self._clients):
            relay = asyncio.create_task(self._keep_relaying())
            reconcile = asyncio.create_task(self._keep_reconciling())
            self._links = Links(self._stack, self.history, self._http)
            try:
                assert await self._until(self._all_welcomed, 120), "the clients cannot connect"
                provider = asyncio.create_task(self._provide())
                await self._nemesis.run(self.faults)
                await asyncio.to_thread(self._stack.heal)
                self.history.add("nemesis", "healed")
                await provider
                if await self._until(self._at_rest_now, SETTLE_SECONDS):
                    self.history.add("campaign", "settled")
                await self._until(self._links.settled, COPY_SECONDS)
            finally:
                for task in (relay, reconcile):
                    task.cancel()
                await asyncio.gather(relay, reconcile, return_exceptions=True)
            files.forget()
            await self._links.follow()
        await asyncio.to_thread(self._look)

    # --- before ---

    def _add_files(self, files: Files) -> None:
        middle = len(self._orders) / PER_SECOND / 2
        for order in self._orders:
            if order.status == "COMPLETE":
                urls = files.add(order.generation, may_be_late=order.at < middle)
                self._urls[order.generation] = urls

    def _prepare(self) -> None:
        """Warm up every function, empty the dead-letter queues and insert all generations."""
        self._stack.warm_up()
        self._stack.drain()
        self._stack.drain("HERALD_KEEP_DLQ_URL")
        rows = [
            {
                "id": order.generation,
                "user_id": order.user,
                "prompt": "a picture under fire",
                "provider": order.provider if order.provider in POLLED else None,
                "provider_id": _job(order) if order.provider in POLLED else None,
                "core_model": POLLED.get(order.provider),
            }
            for order in self._orders
        ]
        columns = "id, user_id, prompt, provider, provider_id, core_model"
        self._stack.query(
            f"INSERT INTO herald.generations ({columns}) SELECT {columns}"
            " FROM json_to_recordset(%s) AS row(id uuid, user_id text, prompt text,"
            " provider text, provider_id text, core_model text)",
            json.dumps(rows),
        )
        for order in self._orders:
            self.history.add("provider", "generation", generation=order.generation, user=order.user)
            if order.provider in POLLED:
                self._stack.apis.put(order.provider, _job(order), "running")

    # --- the provider ---

    async def _provide(self) -> None:
        async with asyncio.TaskGroup() as group:
            for order in self._orders:
                for delivery_id in order.calls:
                    group.create_task(self._report(order, delivery_id))
                for at in order.progress:
                    group.create_task(self._report_progress(order, at))
                if order.canceled is not None:
                    group.create_task(self._cancel(order, order.canceled))

    async def _report_progress(self, order: Order, at: float) -> None:
        """Call once: progress may be lost."""
        await asyncio.sleep(at)
        body = self._providers[order.provider].body("running", order.generation, _job(order))
        async with self._calling:
            status = await self._call(order, body, f"msg_{uuid.uuid4().hex}")
        self.history.add("provider", "running", generation=order.generation, status=status)

    async def _cancel(self, order: Order, at: float) -> None:
        """Cancel once: during a fault, the user may have to try again, and this one does not."""
        await asyncio.sleep(at)
        event = json.loads(reconcile_events.cancel(order.generation, order.user))
        outcome = "failed"
        with suppress(ClientError, RuntimeError):
            answer = await asyncio.to_thread(self._stack.invoke, "reconcile", event)
            outcome = answer["outcome"]
        self.history.add("user", "cancel", generation=order.generation, outcome=outcome)

    async def _report(self, order: Order, delivery_id: str) -> None:
        """Call until the webhook is accepted, as providers do for hours."""
        await asyncio.sleep(order.at)
        state: State = "succeeded" if order.status == "COMPLETE" else "failed"
        urls = self._urls.get(order.generation, ())
        provider = self._providers[order.provider]
        body = provider.body(state, order.generation, _job(order), urls)
        if order.provider in POLLED:
            self._stack.apis.put(order.provider, _job(order), state, *urls)
        if order.withheld:
            self.history.add(
                "provider", "withheld", generation=order.generation, result=order.status
            )
            return
        patience = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < patience:
            async with self._calling:
                status = await self._call(order, body, delivery_id)
            self.history.add(
                "provider", "callback", generation=order.generation,
                result=order.status, status=status,
            )  # fmt: skip
            if 200 <= status < 500:
                return
            await asyncio.sleep(self._pause.uniform(0.5, 2.0))

    async def _call(self, order: Order, body: bytes, delivery_id: str) -> int:
        provider = self._providers[order.provider]
        url, headers = provider.signed(body, order.generation, delivery_id=delivery_id)
        try:
            answer = await self._http.post(url, content=body, headers=headers)
        except httpx.TransportError:
            return 0
        return answer.status_code

    # --- the relay ---

    async def _keep_relaying(self) -> None:
        """Run the relay repeatedly, more often than its schedule does. After a failure, the next
        run publishes the events.
        """
        while True:
            with suppress(ClientError, RuntimeError, psycopg2.Error):
                await asyncio.to_thread(self._stack.relay)
            await asyncio.sleep(RELAY_SECONDS)

    # --- reconcile ---

    async def _keep_reconciling(self) -> None:
        """Run `reconcile` repeatedly, as if every generation without a webhook were due."""
        withheld = [order.generation for order in self._orders if order.withheld]
        while True:
            with suppress(ClientError, RuntimeError, psycopg2.Error):
                await asyncio.to_thread(self._stack.reconcile, withheld)
            await asyncio.sleep(RELAY_SECONDS)

    # --- after ---

    async def _at_rest_now(self) -> bool:
        return await asyncio.to_thread(self._at_rest)

    def _all_welcomed(self) -> bool:
        return all(client.welcomed for client in self._clients)

    async def _until(self, condition: Any, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.25)

    def _at_rest(self) -> bool:
        """Whether no event is in flight and every client has reached the end of its stream."""
        ends = {row["user_id"]: row["last_offset"] for row in self._streams()}
        there = all(
            client.cursor.offset == ends.get(client.user, 0) and client.welcomed
            for client in self._clients
        )
        if not there or self._stack.waiting() or self._redriven():
            return False
        pending = self._stack.query(
            "SELECT count(*) FROM herald.generations WHERE id = ANY(%s::uuid[])"
            " AND status = 'PENDING'",
            [order.generation for order in self._orders if order.withheld],
        )
        if pending[0]["count"]:
            return False
        unpublished = self._stack.query(
            "SELECT count(*) FROM herald.outbox"
            " WHERE published_at IS NULL AND event->>'userid' = ANY(%s)",
            self._users,
        )
        return bool(unpublished[0]["count"] == 0)

    def _redriven(self) -> int:
        """Redrive events from the dead-letter queue, as an operator does; return their number.

        An event ends up in this queue after three failed receives, for example if the machine is so
        slow that a receive exceeds the short visibility timeout. The event is not lost, but needs
        an operator.
        """
        poisoned = sum(1 for _ in self.history.of("poisoned"))
        count = self._stack.waiting("HERALD_DLQ_URL") - poisoned
        if count > 0:
            self.history.add("operator", "redriven", messages=count)
            for user in self._users:
                self._stack.redrive(user=user)
        return max(count, 0)

    def _streams(self) -> list[dict[str, Any]]:
        return self._stack.query(
            "SELECT user_id, epoch::text, last_offset FROM herald.streams WHERE user_id = ANY(%s)",
            self._users,
        )

    def _look(self) -> None:
        """Record the final state."""
        add = self.history.add
        rows = self._stack.query(
            "SELECT id::text, user_id, status FROM herald.generations WHERE user_id = ANY(%s)",
            self._users,
        )
        for row in rows:
            add("end", "row", generation=row["id"], user=row["user_id"], status=row["status"])
        outbox = self._stack.query(
            "SELECT id::text, event, published_at IS NOT NULL AS published FROM herald.outbox"
            " WHERE event->>'userid' = ANY(%s)",
            self._users,
        )
        for row in outbox:
            event = row["event"]
            add(
                "end", "outbox", event=row["id"], generation=event["subject"],
                user=event["userid"], epoch=event["epoch"], offset=int(event["sequence"]),
                code=event["data"].get("error", {}).get("code"), published=row["published"],
            )  # fmt: skip
        for row in self._streams():
            add(
                "end", "stream", user=row["user_id"], epoch=row["epoch"],
                last_offset=row["last_offset"],
            )  # fmt: skip
        add("end", "waiting", queue="generation-complete-queue", messages=self._stack.waiting())
        for queue in ("HERALD_DLQ_URL", "HERALD_SUBSCRIPTION_DLQ_URL"):
            for body in self._stack.drain(queue):
                add("end", "dead", queue=queue, body=body)


def _order(source: random.Random, user: str, at: float) -> Order:
    ids = [f"msg_{uuid.uuid4().hex}" for _ in range(2)]
    # Most webhooks are sent once. Some are sent twice, with the same id or with a different one.
    calls = source.choices([ids[:1], [ids[0], ids[0]], ids], weights=[8, 1, 1])[0]
    status = source.choices(["COMPLETE", "ERROR"], weights=[9, 1])[0]
    when = at + source.uniform(0, 0.4)
    provider = source.choices(list(PROVIDERS), weights=list(PROVIDERS.values()))[0]
    # fal sends no progress. The reports of the others overtake the result, or come after it.
    reports = 0 if provider == "fal" else source.choice((0, 1, 3))
    progress = tuple(max(0.0, when + source.uniform(-2.0, 0.5)) for _ in range(reports))
    withheld = provider in POLLED and source.random() < WITHHELD
    canceled = max(0.0, when - 1.0) if source.random() < CANCELED else None
    return Order(
        str(uuid.uuid4()), user, status, when, tuple(calls), provider, progress, canceled, withheld
    )


def _job(order: Order) -> str:
    """The provider's id of a generation."""
    return f"p-{order.generation}"
