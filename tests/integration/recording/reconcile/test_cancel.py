"""Cancellations, and results that come after them."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.aws import reconcile_events
from tests.builders import Context
from tests.fakes.provider_apis import Refusal

if TYPE_CHECKING:
    from tests.integration.recording.reconcile.world import World

pytestmark = pytest.mark.integration


def cancel(world: World, generation_id: str, user: str | None = "alice") -> dict[str, Any]:
    event = json.loads(reconcile_events.cancel(generation_id, user))
    return dict(world.reconcile().handle(event, Context(12)))


@pytest.mark.parametrize("provider", ["fal", "luma", "replicate", "runpod", "runway"])
def test_a_cancellation_ends_the_generation_and_asks_the_provider(
    world: World, provider: str
) -> None:
    generation_id = world.insert(provider)
    world.apis.put(provider, "job-1", "running")
    assert cancel(world, generation_id) == {"outcome": "canceled", "atProvider": "accepted"}
    assert world.apis.canceled == [(provider, "job-1")]
    [found] = world.events()
    assert (found["data"]["error"]["code"], found["userid"]) == ("canceled", "alice")
    # the answer may be lost: the same request again is answered alike, without a second event
    assert cancel(world, generation_id)["outcome"] == "canceled"
    assert len(world.events()) == 1


def test_a_provider_that_cannot_cancel_or_fails_does_not_keep_a_generation_open(
    world: World,
) -> None:
    assert cancel(world, world.insert("bfl"))["atProvider"] == "not_possible"
    assert cancel(world, world.insert(None, None))["atProvider"] == "not_possible"
    world.apis.refusals["replicate"] = Refusal(500)
    assert cancel(world, world.insert("replicate"))["atProvider"] == "refused"
    assert [found["data"]["error"]["code"] for found in world.events()] == ["canceled"] * 3


@pytest.mark.parametrize("case", ["foreign", "unknown", "ended", "malformed"])
def test_what_cannot_be_canceled_is_refused_alike(world: World, case: str) -> None:
    generation_id = world.insert("replicate")
    if case == "ended":
        world.admin.execute("UPDATE herald.generations SET status = 'COMPLETE'")
    wanted = {"unknown": str(uuid.uuid4()), "malformed": "x"}.get(case, generation_id)
    user = "mallory" if case == "foreign" else "alice"
    assert cancel(world, wanted, user) == {"outcome": "not_cancelable"}
    assert (world.apis.canceled, world.events()) == ([], [])


def test_an_operator_may_cancel_any_generation(world: World) -> None:
    assert cancel(world, world.insert("replicate"), None)["outcome"] == "canceled"


def test_a_result_after_a_cancellation_supersedes_it_but_a_confirmation_does_not(
    world: World,
) -> None:
    generation_id = world.insert("replicate")
    cancel(world, generation_id)
    path = {"provider": "replicate", "generation": generation_id}
    outcomes = []
    for status in ("canceled", "succeeded", "succeeded"):
        body = {"id": "job-1", "status": status, "output": ["https://x/1.png"], "error": None}
        outcomes.append(world.webhook("replicate", json.dumps(body).encode(), path)[1]["outcome"])
    assert outcomes == ["unchanged", "recorded", "duplicate"]
    assert [found["data"]["status"] for found in world.events()] == ["ERROR", "COMPLETE"]
