"""Webhooks that contain only an id."""

from __future__ import annotations

import json

import pytest

from chalicelib.aws import reconcile_events
from tests.builders import Context
from tests.fakes.provider_apis import KEY, Refusal
from tests.integration.recording.reconcile.world import Bucket, World

pytestmark = pytest.mark.integration


THIN = {"id": "evt_1", "object": "event", "type": "response.completed", "data": {"id": "resp_1"}}


def test_a_thin_event_makes_its_row_due_and_is_resolved_at_once(world: World) -> None:
    world.bucket = Bucket()
    generation_id = world.insert("openai", "resp_1")
    world.admin.execute("UPDATE herald.generations SET created_at = now()")
    world.run()
    assert world.webhook("openai", json.dumps(THIN).encode()) == (200, {"outcome": "accepted"})
    [invoked] = world.function.events
    world.apis.put("openai", "resp_1", "succeeded")
    found = world.reconcile().handle(invoked, Context(57))
    assert found == {"outcome": "resolved", "recorded": 1}
    assert [each["subject"] for each in world.events()] == [generation_id]


def test_a_thin_event_whose_look_up_fails_is_resolved_by_the_schedule(world: World) -> None:
    generation_id = world.insert("openai", "resp_1")
    world.admin.execute("UPDATE herald.generations SET created_at = now()")
    world.run()
    world.webhook("openai", json.dumps(THIN).encode())
    world.apis.refusals["openai"] = Refusal(503)
    event = json.loads(reconcile_events.resolve("openai", "resp_1"))
    assert world.reconcile().handle(event, Context(57)) == {"outcome": "unavailable"}
    world.apis.refusals.clear()
    world.apis.put("openai", "resp_1", "succeeded")
    world.due()
    assert world.run()["recorded"] == 1
    assert world.row(generation_id)["status"] == "COMPLETE"


def test_a_thin_event_is_accepted_although_the_function_cannot_be_invoked(world: World) -> None:
    generation_id = world.insert("openai", "resp_1")
    world.run()
    before = world.row(generation_id)["next_check_at"]
    world.admin.execute("UPDATE herald.generations SET next_check_at = now() + interval '1 hour'")
    world.function.fails = True
    assert world.webhook("openai", json.dumps(THIN).encode())[0] == 200
    world.admin.execute("SELECT next_check_at <= now() AS due FROM herald.generations")
    assert world.admin.fetchone()["due"], before


def test_a_thin_event_finds_its_generation_by_the_metadata(world: World) -> None:
    generation_id = world.insert("openai", None)
    world.apis.put("openai", "resp_1", "succeeded")
    status, _, body = world.apis.handle("GET", "/openai/v1/responses/resp_1", {"key": KEY})
    named = {**json.loads(body), "metadata": {"generation_id": generation_id}}
    world.apis.fixed["openai", "/v1/responses/resp_1"] = named
    event = json.loads(reconcile_events.resolve("openai", "resp_1"))
    assert (status, world.reconcile().handle(event, Context(57))["recorded"]) == (200, 1)
    assert world.row(generation_id)["status"] == "COMPLETE"


def test_a_thin_event_of_another_application_changes_nothing(world: World) -> None:
    world.insert("openai", "resp_2")
    world.apis.put("openai", "resp_1", "succeeded")
    event = json.loads(reconcile_events.resolve("openai", "resp_1"))
    assert world.reconcile().handle(event, Context(57)) == {"outcome": "resolved", "recorded": 0}
    assert world.events() == []


def test_a_thin_event_without_an_api_key_is_reported(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    del world.entries["openai"]
    event = json.loads(reconcile_events.resolve("openai", "resp_1"))
    assert world.reconcile().handle(event, Context(57)) == {"outcome": "no_key"}
    assert "there is no API key" in capsys.readouterr().out


def test_an_operation_is_found_by_the_last_part_of_its_name(world: World) -> None:
    world.bucket = Bucket()
    whole = "models/veo-3.1-generate-preview/operations/op-9f"
    generation_id = world.insert("gemini", whole)
    world.apis.put("gemini", "op-9f", "succeeded")
    event = json.loads(reconcile_events.resolve("gemini", "op-9f"))
    assert world.reconcile().handle(event, Context(57))["recorded"] == 1
    assert world.row(generation_id)["status"] == "COMPLETE"
