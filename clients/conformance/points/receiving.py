"""Events, notices and progress as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.conformance import frames
from clients.conformance.points.point import Points

if TYPE_CHECKING:
    from clients.conformance.world import World

points = Points()
_EVENTS = "Client requirements, 2"


@points(25, "Each event is passed on once per id, however often it arrives", _EVENTS)
async def once(world: World) -> None:
    peer = await world.live(head=1)
    note = frames.notice("note", "generation-9")
    await peer.say(frames.event(2), frames.event(2), note, note)
    world.received("event-2", "note")
    await peer.drop()
    again = await world.reconnected()
    await again.resumed(head=3, replaying=1)
    await again.say(note, frames.event(2), frames.replay(2, 3))
    await again.caught_up(3)
    world.received("event-2", "note", "event-3")


@points(26, "Events are passed on as they arrive, also if an earlier one is missing", _EVENTS)
async def as_they_arrive(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.event(3))
    world.received("event-3")
    await peer.say(frames.event(2))
    world.received("event-3", "event-2")


@points(27, "The cursor moves only over contiguous offsets, and then over those beyond", _EVENTS)
async def contiguous(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.event(3))
    await peer.drop()
    again = await world.reconnected()
    again.take("hello", resume={"epoch": frames.EPOCH, "offset": 1})
    await again.resumed(head=3, replaying=2)
    await again.say(frames.event(2, replayed=True))
    await again.drop()
    third = await world.reconnected()
    third.take("hello", resume={"epoch": frames.EPOCH, "offset": 3})


@points(28, "An event that the application could not handle arrives again after a restart", _EVENTS,
        "store")  # fmt: skip
async def not_handled(world: World) -> None:
    await world.start(fail=["event-2"])
    peer = await world.peer()
    await peer.welcome(head=0)
    await peer.say(frames.event(1), frames.event(2))
    stored = await world.stop()
    await world.start(stored=stored)
    again = await world.peer()
    again.take("hello", resume={"epoch": frames.EPOCH, "offset": 1})
    await again.resumed(head=2, replaying=1)
    await again.say(frames.replay(2, 2))
    await again.caught_up(2)
    world.received("event-2")


@points(29, "A notice is passed on, and does not move the cursor", "event")
async def notices(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.notice("note", "generation-9"))
    world.received("note")
    await peer.drop()
    again = await world.reconnected()
    again.take("hello", resume={"epoch": frames.EPOCH, "offset": 1})


@points(30, "A notice or progress that comes after its generation's result is dropped", _EVENTS)
async def after_the_result(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.event(2, generation="g"))
    await peer.say(frames.notice("note", "g"), frames.progress("g", 1))
    world.received("event-2")
    world.unreported("progress")
    await peer.drop()
    again = await world.reconnected()
    await again.resumed(head=3, replaying=1)
    await again.say(frames.events(frames.event(3, generation="h", replayed=True)))
    await again.caught_up(3)
    await again.say(frames.notice("other note", "h"), frames.progress("h", 1))
    world.received("event-2", "event-3")
    world.unreported("progress")


@points(31, "Progress is passed on as progress, never as a result", "Progress")
async def progress_is_no_result(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.progress("g", 1))
    world.reported("progress", id=frames.identity("g@1"))
    world.received()


@points(32, "Progress that is not newer than the last one of its generation is dropped", _EVENTS)
async def stale_progress(world: World) -> None:
    peer = await world.live(head=1)
    for name, second in (("g", 5), ("g", 4), ("g", 5), ("h", 1), ("g", 6)):
        await peer.say(frames.progress(name, second))
    found = world.names("progress")
    world.require(found == ["g@5", "h@1", "g@6"], f"the newest progress is passed on, not {found}")


@points(33, "Every item of an events frame is processed like an event frame", "events")
async def batches(world: World) -> None:
    peer = await world.live(head=1)
    batch = (frames.event(2), frames.event(3), frames.notice("note", "generation-9"))
    await peer.say(frames.events(*batch, frames.event(4)))
    world.received("event-2", "event-3", "note", "event-4")


@points(34, "Another event of a generation that has ended is passed on: it supersedes the first",
        "A result after a timeout or a cancellation")  # fmt: skip
async def superseding(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.event(2, generation="g"), frames.event(3, generation="g"))
    world.received("event-2", "event-3")


@points(
    35,
    "Unknown frames, unknown fields and messages without a type are ignored",
    "the wire protocol",
)
async def unknown(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say({"type": "of_a_later_version", "offset": 7}, frames.GATEWAY_MESSAGE)
    await peer.say_text("not JSON")
    await peer.say_text('["a list"]')
    await peer.say_later(frames.event(2))
    world.require(peer.open, "the connection stays open")
    world.received("event-2")


@points(36, "An event of an unknown type moves the cursor like any other", "event")
async def another_type(world: World) -> None:
    peer = await world.live(head=1)
    later = frames.event(2)
    later["event"]["type"] = "herald.generation.of_a_later_version"
    await peer.say_later(later)
    await peer.drop()
    again = await world.reconnected()
    again.take("hello", resume={"epoch": frames.EPOCH, "offset": 2})
