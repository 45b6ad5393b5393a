"""What a look-up finds, and what it does with it."""

from __future__ import annotations

import json
import uuid

import pytest

from chalicelib.providers import registry
from tests.fakes.provider_apis import KEY, PNG, Refusal
from tests.integration.recording.reconcile.world import BYTES, POLLED, Bucket, World

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("provider", POLLED)
def test_a_generation_whose_webhook_never_came_is_delivered_once(
    world: World, provider: str
) -> None:
    world.bucket = Bucket()
    generation_id = world.insert(provider)
    world.apis.put(provider, "job-1", "running")
    assert world.run()["recorded"] == 0
    assert world.row(generation_id)["status"] == "PENDING"
    world.apis.put(provider, "job-1", "succeeded")
    world.due()
    assert world.run()["recorded"] == 1
    world.due()
    assert world.run()["recorded"] == 0
    [found] = world.events()
    assert (found["subject"], found["userid"]) == (generation_id, "alice")
    assert (found["type"], found["sequence"]) == ("herald.generation.complete", "1")
    [output] = found["data"]["outputs"]
    kept = output["url"].startswith("https://herald.example/outputs/")
    assert kept == (provider in BYTES)
    assert world.row(generation_id)["status"] == "COMPLETE"


def test_every_provider_that_can_be_asked_has_a_stand_in() -> None:
    adapters = {name: registry.adapter(name) for name in registry.NAMES}
    assert {name for name, found in adapters.items() if found and found.polling} == set(POLLED)


def test_bytes_are_stored_before_the_event(world: World) -> None:
    world.bucket = Bucket()
    generation_id = world.insert("openai", "resp_1")
    world.apis.put("openai", "resp_1", "succeeded")
    world.bucket.fails = True
    assert world.run()["recorded"] == 0  # nothing is lost: the schedule tries again
    assert (world.row(generation_id)["status"], world.events()) == ("PENDING", [])
    world.bucket.fails = False
    world.due()
    assert world.run()["recorded"] == 1
    assert world.bucket.kept == [(generation_id, 0, PNG)]
    assert world.events()[0]["data"]["imageUrl"].startswith("https://herald.example/outputs/")


@pytest.mark.parametrize("provider", sorted(BYTES))
@pytest.mark.parametrize("given_up", [False, True], ids=["kept nowhere", "cannot be kept"])
def test_an_event_says_that_a_file_has_no_url(world: World, provider: str, given_up: bool) -> None:
    if given_up:
        world.bucket = Bucket()
        world.bucket.refuses = True
    generation_id = world.insert(provider)
    world.apis.put(provider, "job-1", "succeeded")
    assert world.run()["recorded"] == 1
    [found] = world.events()
    assert (found["data"]["status"], found["data"]["imageUrl"]) == ("COMPLETE", None)
    assert (found["data"]["outputsNotKept"], found["subject"]) == (1, generation_id)


def test_progress_of_a_look_up_is_published(world: World) -> None:
    generation_id = world.insert("runway")
    world.apis.put("runway", "job-1", "running")
    world.run()
    [message] = world.sns.events
    found = json.loads(message["Message"])
    assert (found["subject"], found["data"]["progress"]) == (generation_id, 0.5)


def test_all_requests_of_a_batch_are_answered_by_one_look_up(world: World) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    world.bucket = Bucket()
    for generation_id in (first, second):
        world.insert("openai", f"batch_5/{generation_id}", id=generation_id)
    line = {"custom_id": first, "response": {"body": {"data": [{"b64_json": "aGVsbG8="}]}}}
    batch = {"id": "batch_5", "status": "completed", "output_file_id": "f1"}
    world.apis.fixed["openai", "/v1/batches/batch_5"] = batch
    world.apis.fixed["openai", "/v1/files/f1/content"] = line
    assert world.run()["recorded"] == 2
    assert len(world.apis.asked) == 2  # the batch and its file
    found = {each["subject"]: each["data"] for each in world.events()}
    assert found[first]["status"] == "COMPLETE"
    assert found[second]["error"]["code"] == "incomplete"


def test_overdue_rows_are_counted_by_provider(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.insert("replicate")
    world.insert("bfl")
    world.run()
    world.admin.execute(
        "UPDATE herald.generations SET created_at = now() - interval '16 minutes',"
        " deadline_at = created_at + interval '1 hour' WHERE provider = 'bfl'"
    )
    capsys.readouterr()
    world.run()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {line["Provider"]: line for line in lines if "GenerationsOverdue" in line}
    assert {name: line["GenerationsOverdue"] for name, line in found.items()} == {
        "bfl": 1,
        "replicate": 0,
    }
    metric = found["bfl"]["_aws"]["CloudWatchMetrics"][0]
    assert metric["Dimensions"] == [["Stage"], ["Stage", "Provider"]]


def test_no_key_and_no_prompt_is_logged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.insert("replicate", prompt="a secret prompt")
    world.apis.refusals["replicate"] = Refusal(500)
    world.run()
    said = capsys.readouterr().out
    assert KEY not in said
    assert "a secret prompt" not in said
