"""The server's end of one connection."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from clients.conformance import frames
from clients.conformance.contract import frame_error, names
from clients.conformance.outcome import Unmet

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.server import ServerConnection

    from clients.conformance.exchanges import Exchange
    from clients.conformance.frames import Frame

    Answer = Callable[[Frame], Frame | list[Frame]]


class Owner(Protocol):
    """What a peer reports."""

    def tell(self, who: str, what: object) -> None:
        """Record what happens."""

    def violated(self, rule: str) -> None:
        """Record that the client broke a rule that holds in every point."""

    async def settle(self) -> None:
        """Wait until both sides have nothing left to do."""


class Peer:
    """The server's end of one connection: what the client has sent, and where frames are sent."""

    def __init__(self, owner: Owner, socket: ServerConnection) -> None:
        self.frames: list[Frame] = []
        self._taken: set[int] = set()
        self._answers: dict[str, Answer] = {}
        self._owner = owner
        self._socket = socket
        self._frozen = False

    @property
    def open(self) -> bool:
        return self._socket.state is State.OPEN

    def always(self, action: str, answer: Answer) -> None:
        """Answer every frame of this action from now on."""
        self._answers[action] = answer

    def freeze(self) -> None:
        """Lose everything that the client sends from now on, as a network does that is gone."""
        self._owner.tell("fault", "the connection is frozen")
        self._frozen = True

    async def say(self, *sent: Frame) -> None:
        """Send frames, or messages that have no type of the contract; settle."""
        for frame in sent:
            await self._send(frame)
        await self._owner.settle()

    async def say_later(self, frame: Frame) -> None:
        """Send a frame of a later version: with another field, or with values that are not known.

        Settle.
        """
        later = {**frame, "of_a_later_version": True}
        await self._send(later, of_later_version=True)
        await self._owner.settle()

    async def say_text(self, text: str) -> None:
        """Send a message that is not JSON; settle."""
        self._owner.tell("server", text)
        await self._transmit(text)
        await self._owner.settle()

    async def exchange(self, exchange: Exchange) -> None:
        """The client has asked as in this exchange; answer as in this exchange."""
        expected = {name: value for name, value in exchange.asks.items() if name != "token"}
        number = self.take(**expected).get("id")
        await self.say(*({**frame, **_re(frame, number)} for frame in exchange.answers))

    async def welcome(self, head: int, **fields: Any) -> None:
        """Answer hello."""
        await self.say(frames.welcome(self.answered("hello"), head, **fields))

    async def resumed(self, head: int, replaying: int = 0, **fields: Any) -> None:
        """Answer a hello with a cursor: everything after it is replayed."""
        await self.welcome(head, recovered=True, replaying=replaying, **fields)

    async def caught_up(self, offset: int, action: str = "hello") -> None:
        """End a replay."""
        await self.say(frames.caught_up(self.answered(action), offset))

    async def gap(self, head: int, **fields: Any) -> None:
        """Answer a hello whose cursor cannot be used."""
        hello = self._newest("hello")
        await self.say(frames.gap(hello["id"], hello.get("resume"), head, **fields))

    async def pong(self, head: int, epoch: str | None = frames.EPOCH) -> None:
        """Answer ping."""
        await self.say(frames.pong(self.answered("ping"), head, epoch))

    async def refuse(self, action: str, code: int, name: str, retry_after: float = 0) -> None:
        """Answer a frame with an error."""
        await self.say(frames.error(self.answered(action), code, name, retry_after))

    async def _send(self, frame: Frame, *, of_later_version: bool = False) -> None:
        known = frame.get("type") in names("server")
        error = frame_error("server", frame, of_later_version=of_later_version)
        if known and error:
            raise AssertionError(f"the suite sends an invalid frame: {error}")
        self._owner.tell("server", frame)
        await self._transmit(json.dumps(frame))

    async def close(self) -> None:
        """Close the connection as a server does."""
        self._owner.tell("fault", "the connection is closed")
        await self._socket.close()
        await self._owner.settle()

    async def drop(self) -> None:
        """Cut the connection, without the closing handshake."""
        self._owner.tell("fault", "the connection is cut")
        self.abort()
        await self._socket.wait_closed()
        await self._owner.settle()

    def abort(self) -> None:
        self._socket.transport.abort()

    async def flush(self) -> None:
        """Wait until the client's library has read everything that was sent before."""
        with suppress(ConnectionClosed):
            await (await self._socket.ping())

    def take(self, action: str, **fields: Any) -> Frame:
        """Return the first frame of this action that was not taken; it must have these fields."""
        for index, frame in enumerate(self.frames):
            if frame["action"] != action or index in self._taken:
                continue
            self._taken.add(index)
            for name, value in fields.items():
                if frame.get(name) != value:
                    raise Unmet(f"{action} has {name} = {value!r}, not {frame.get(name)!r}")
            return frame
        raise Unmet(f"the client sends {action}")

    def none(self, *actions: str) -> None:
        """No frame of these actions was sent, except those that were taken."""
        for index, frame in enumerate(self.frames):
            if frame["action"] in actions and index not in self._taken:
                raise Unmet(f"the client does not send {frame['action']} now: {json.dumps(frame)}")

    def count(self, action: str) -> int:
        """How many frames of an action the client has sent."""
        return sum(frame["action"] == action for frame in self.frames)

    def last(self, action: str, **fields: Any) -> None:
        """The newest frame of an action has these fields."""
        newest = self._newest(action)
        for name, value in fields.items():
            if newest.get(name) != value:
                raise Unmet(f"{action} has {name} = {value!r}, not {newest.get(name)!r}")

    def answered(self, action: str) -> object:
        """Return the id of the newest frame of an action; all of them count as taken."""
        newest = self._newest(action)
        self._taken.update(
            index for index, frame in enumerate(self.frames) if frame["action"] == action
        )
        return newest.get("id")

    def _newest(self, action: str) -> Frame:
        found = [frame for frame in self.frames if frame["action"] == action]
        if not found:
            raise Unmet(f"the client sends {action}")
        return found[-1]

    async def _transmit(self, text: str) -> None:
        try:
            await self._socket.send(text)
        except ConnectionClosed:
            self._owner.tell("fault", "not sent, because the client has closed the connection")

    async def receive(self) -> None:
        """Record the client's frames until the connection closes."""
        try:
            async for text in self._socket:
                if self._frozen:
                    self._owner.tell("fault", f"lost: {text!r}")
                elif frame := self._record(text):
                    await self._answer(frame)
        except ConnectionClosed:
            pass

    async def _answer(self, frame: Frame) -> None:
        if answer := self._answers.get(frame["action"]):
            found = answer(frame)
            for each in found if isinstance(found, list) else [found]:
                await self._send(each)

    def _record(self, text: str | bytes) -> Frame | None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        if not isinstance(frame, dict):
            self._owner.violated(f"every message is a JSON object: {text!r}")
            return None
        self._owner.tell("client", frame)
        frame.setdefault("action", "")
        if error := frame_error("client", frame):
            self._owner.violated(f"every frame is valid: {error}")
        if frame.get("id") is not None and frame["id"] in [each.get("id") for each in self.frames]:
            self._owner.violated(f"every request of a connection has its own id: {frame}")
        if not self.frames and frame.get("action") != "hello":
            self._owner.violated(f"the first frame is hello: {frame}")
        self.frames.append(frame)
        return frame


def _re(frame: Frame, number: object) -> Frame:
    return {"re": number} if "re" in frame else {}
