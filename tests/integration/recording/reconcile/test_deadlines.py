"""Deadlines, and results that come after them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.providers import samples

if TYPE_CHECKING:
    from tests.integration.recording.reconcile.world import World

pytestmark = pytest.mark.integration


def test_a_generation_past_its_deadline_ends_and_its_owner_is_notified(world: World) -> None:
    generation_id = world.insert("replicate")
    world.run()
    world.late(generation_id)
    assert world.run()["timed_out"] == 1
    [found] = world.events()
    assert (found["userid"], found["type"]) == ("alice", "herald.generation.error")
    assert found["data"]["error"]["code"] == "timeout"
    assert world.run()["timed_out"] == 0


@pytest.mark.parametrize("again", [True, False])
def test_a_result_after_herald_s_own_timeout_supersedes_it_once(world: World, again: bool) -> None:
    generation_id = world.insert("replicate")
    world.run()
    world.late(generation_id)
    world.run()
    body = {"id": "job-1", "status": "succeeded", "output": ["https://x/1.png"], "error": None}
    text = json.dumps(body).encode()
    path = {"provider": "replicate", "generation": generation_id}
    assert world.webhook("replicate", text, path)[1]["outcome"] == "recorded"
    if again:
        text = json.dumps({**body, "output": ["https://x/2.png"]}).encode()
        assert world.webhook("replicate", text, path)[1]["outcome"] in ("unchanged", "duplicate")
    first, second = world.events()
    assert (first["data"]["error"]["code"], second["data"]["status"]) == ("timeout", "COMPLETE")
    assert first["id"] != second["id"]
    assert (first["sequence"], second["sequence"]) == ("1", "2")
    assert "error" not in second["data"]
    row = world.row(generation_id)
    assert (row["version"], row["error"], row["image_url"]) == (3, None, "https://x/1.png")


def test_a_failure_of_the_provider_supersedes_a_timeout_but_no_result(world: World) -> None:
    generation_id = world.insert("replicate")
    world.run()
    world.late(generation_id)
    world.run()
    path = {"provider": "replicate", "generation": generation_id}
    for status in ("failed", "succeeded"):
        body = {"id": "job-1", "status": status, "output": ["https://x/1.png"], "error": "broken"}
        world.webhook("replicate", json.dumps(body).encode(), path)
    codes = [found["data"]["error"]["code"] for found in world.events()]
    assert codes == ["timeout", "generation_failed"]


def test_a_time_out_of_the_provider_is_final(world: World) -> None:
    generation_id = world.insert("runpod", core_model="endpoint-1")
    path = {"provider": "runpod", "generation": generation_id}
    path["token"] = _token("runpod", generation_id)
    for status in ("TIMED_OUT", "COMPLETED"):
        body = {"id": "job-1", "status": status, "output": "https://x/1.png"}
        world.webhook("runpod", json.dumps(body).encode(), path)
    [found] = world.events()
    assert found["data"]["error"]["code"] == "timeout"


def _token(provider: str, generation_id: str) -> str:
    from chalicelib.providers.verifiers import capability

    return capability(samples.TOKEN_KEY, provider, generation_id)
