"""Injects the faults of a schedule."""

from __future__ import annotations

import asyncio
import random
import uuid
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg2

from tests.faults import rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.faults.clients import Client
    from tests.faults.history import History
    from tests.faults.microburst import Microburst
    from tests.faults.schedule import Fault
    from tests.faults.stack import FaultStack
    from tests.faults.tap import Action, Side, Tap

_STORE = rb"DynamoDB_20120810.BatchWriteItem"
_READ_CONNECTIONS = rb"DynamoDB_20120810.Query.*-connections"  # deliver only, after it has stored
_POST = rb"POST [^ ]*@connections/"

_END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'herald'"
)


class Nemesis:
    """The faults of one run and their targets."""

    def __init__(
        self, stack: FaultStack, history: History, clients: Sequence[Client], users: Sequence[str]
    ) -> None:
        self._stack = stack
        self._history = history
        self._clients = clients
        self._users = list(users)
        aws = stack.aws
        self._actions: dict[str, Callable[[Fault], AbstractAsyncContextManager[None]]] = {
            "database down": self._database_down,
            "database refusing connections": self._database_refusing,
            "database connections killed": self._repeated(self._kill_sessions, 0.3),
            "COMMIT applied, answer lost": self._tapped(
                stack.database_tap, "answer", rules.RECORDED, "cut", 3
            ),
            "callback killed after COMMIT": self._tapped(
                stack.database_tap, "answer", rules.RECORDED, "kill", 1
            ),
            "SNS refusing": self._ruled(aws, rules.SNS_REFUSES),
            "SNS throttling": self._ruled(aws, rules.SNS_THROTTLES_TWICE),
            "SNS slow, events overtake": self._ruled(aws, rules.SNS_DELAYS_EVERY_SECOND),
            "SNS published, answer lost": self._ruled(aws, rules.SNS_LOSES_EVERY_SECOND_ANSWER),
            "relay stopped": self._relay_stopped,
            "messages duplicated": self._repeated(self._duplicate, 0.5),
            "messages poisoned": self._poisoned,
            "posts answered 403": self._ruled(aws, rules.posts(403)),
            "posts answered 410": self._ruled(aws, rules.posts(410)),
            "posts answered 429": self._ruled(aws, rules.posts(429)),
            "posts answered 500": self._ruled(aws, rules.posts(500)),
            "posts cut": self._tapped(stack.aws_tap, "request", _POST, "cut", None),
            "clients cut": self._repeated(self._cut_clients, 0.7),
            "clients offline": self._clients_offline,
            "deliver killed before it stores": self._tapped(
                stack.aws_tap, "request", _STORE, "kill", 1
            ),
            "deliver killed before it posts": self._tapped(
                stack.aws_tap, "request", _READ_CONNECTIONS, "kill", 1
            ),
            "DynamoDB throttling": self._ruled(aws, rules.DYNAMODB_THROTTLES),
        }

    async def run(self, faults: Sequence[Fault]) -> None:
        """Inject every fault at its time; return when the last one is over."""
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                group.create_task(self._inject(fault))

    async def _inject(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at)
        async with self._actions[fault.kind](fault):
            self._history.add("nemesis", "fault", fault=fault.kind, phase="begin")
            await asyncio.sleep(fault.seconds)
        self._history.add("nemesis", "fault", fault=fault.kind, phase="end")

    # --- kinds of actions ---

    def _ruled(self, proxy: Microburst, rule: rules.Rule) -> Any:
        @asynccontextmanager
        async def action(_: Fault) -> AsyncIterator[None]:
            number = await asyncio.to_thread(proxy.add, rule)
            try:
                yield
            finally:
                await asyncio.to_thread(proxy.remove, number)

        return action

    def _tapped(self, tap: Tap, side: Side, pattern: bytes, what: Action, times: int | None) -> Any:
        @asynccontextmanager
        async def action(_: Fault) -> AsyncIterator[None]:
            trigger = tap.on(side, pattern, what, times=times)
            try:
                yield
            finally:
                trigger.release()

        return action

    def _repeated(self, act: Any, pause: float) -> Any:
        """Repeat an action until the fault is over."""

        @asynccontextmanager
        async def action(fault: Fault) -> AsyncIterator[None]:
            source = random.Random(fault.salt)

            async def again() -> None:
                while True:
                    with suppress(
                        psycopg2.Error
                    ):  # a concurrent fault may have stopped the database
                        await act(source)
                    await asyncio.sleep(pause)

            task = asyncio.create_task(again())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        return action

    # --- single actions ---

    @asynccontextmanager
    async def _database_down(self, _: Fault) -> AsyncIterator[None]:
        server = self._stack.stack.postgres
        await asyncio.to_thread(server.stop, "immediate")
        try:
            yield
        finally:
            await asyncio.to_thread(server.start)

    @asynccontextmanager
    async def _database_refusing(self, _: Fault) -> AsyncIterator[None]:
        number = await asyncio.to_thread(self._stack.database.add, rules.DATABASE_REFUSES)
        try:
            await self._kill_sessions(random.Random())
            yield
        finally:
            await asyncio.to_thread(self._stack.database.remove, number)

    async def _kill_sessions(self, _: random.Random) -> None:
        await asyncio.to_thread(self._stack.query, _END_SESSIONS)

    @asynccontextmanager
    async def _relay_stopped(self, _: Fault) -> AsyncIterator[None]:
        functions, name = self._stack.client("lambda"), self._stack.function("relay")
        await asyncio.to_thread(
            functions.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=0
        )
        try:
            yield
        finally:
            await asyncio.to_thread(functions.delete_function_concurrency, FunctionName=name)

    async def _duplicate(self, source: random.Random) -> None:
        """Send recent events again, some with a delay."""
        rows = await asyncio.to_thread(
            self._stack.query,
            "SELECT event::text FROM herald.outbox WHERE event->>'userid' = ANY(%s)"
            " ORDER BY created_at DESC LIMIT 20",
            self._users,
        )
        for row in source.sample(rows, min(2, len(rows))):
            await asyncio.to_thread(
                self._stack.send, row["event"], DelaySeconds=source.choice([0, 1])
            )

    @asynccontextmanager
    async def _poisoned(self, fault: Fault) -> AsyncIterator[None]:
        source = random.Random(fault.salt)
        for _ in range(source.choice([1, 2])):
            body = source.choice(
                ["no JSON {}", '{{"poison":"{}"}}', '{{"specversion":"1.0","id":"{}"}}']
            )
            body = body.format(uuid.uuid4())
            self._history.add("nemesis", "poisoned", body=body)
            await asyncio.to_thread(self._stack.send, body)
        yield

    async def _cut_clients(self, source: random.Random) -> None:
        for client in source.sample(list(self._clients), len(self._clients) // 3):
            client.cut()

    @asynccontextmanager
    async def _clients_offline(self, fault: Fault) -> AsyncIterator[None]:
        source = random.Random(fault.salt)
        away = source.sample(list(self._clients), len(self._clients) // 3)
        for client in away:
            client.go_offline()
        try:
            yield
        finally:
            for client in away:
                client.come_back()
