"""Webhooks withheld, deadlines, cancellations and thin events, on the applied stack."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.provider_apis import MODELS, ROUTES
from tests.integration.cli.conftest import run
from tests.providers import Provider
from tests.stand_ins import asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.stack import Stack
    from tests.e2e.conftest import Herald, Tab, User
    from tests.stand_ins import AskedStack

POLLED = sorted(ROUTES)


@pytest.fixture(scope="module")
def asking(stack: Stack) -> Iterator[AskedStack]:
    """The stack, asking stand-ins of the providers' APIs."""
    with asked(stack) as found:
        yield found


@pytest.fixture
def tab(alice: User) -> Tab:
    tab = alice.tab()
    tab.hello()
    return tab


def insert(herald: Herald, user: User, provider: str, provider_id: str, minutes: int = 14) -> str:
    """Insert a PENDING row of a provider, as if some minutes ago."""
    generation = str(uuid.uuid4())
    herald.database.execute(
        "INSERT INTO herald.generations (id, user_id, prompt, provider, provider_id, core_model,"
        " created_at) VALUES (%s, %s, 'p', %s, %s, %s, now() - make_interval(mins => %s))",
        (generation, user.name, provider, provider_id, MODELS.get(provider), minutes),
    )
    return generation


def test_every_generation_whose_webhook_never_comes_is_delivered_exactly_once(
    herald: Herald, alice: User, tab: Tab, asking: AskedStack
) -> None:
    # Given a generation at each provider that can be asked, and no webhook at all
    wanted = {}
    for provider in POLLED:
        job = f"job-{uuid.uuid4().hex}"
        asking.apis.put(provider, job, "succeeded")
        wanted[insert(herald, alice, provider, job)] = provider
    # When reconcile runs, twice at once with the schedule's own runs and once more
    said = [asking.run(), asking.run()]
    # Then the owner's tab gets each result exactly once
    rows = herald.query(
        "SELECT provider, status FROM herald.generations WHERE user_id = %s", alice.name
    )
    assert dict(rows) == dict.fromkeys(POLLED, "COMPLETE"), said
    frames = tab.events(len(wanted))
    assert {frame["event"]["subject"] for frame in frames} == set(wanted)
    assert sorted(frame["offset"] for frame in frames) == list(range(1, len(wanted) + 1))
    assert {frame["event"]["data"]["status"] for frame in frames} == {"COMPLETE"}
    assert tab.silent()


def test_a_timeout_is_delivered_and_superseded_by_a_late_result_once(
    herald: Herald, alice: User, tab: Tab, asking: AskedStack, stack_env: Mapping[str, str]
) -> None:
    generation = insert(herald, alice, "replicate", f"job-{uuid.uuid4().hex}", minutes=61)
    asking.run()
    asking.run()
    [timeout] = tab.events(1)
    assert timeout["event"]["data"]["error"]["code"] == "timeout"
    provider = Provider("replicate", stack_env)
    body = provider.body("succeeded", generation)
    for _ in range(2):
        assert provider.call(body, generation).status_code == 200
    [result] = tab.events(1)
    assert result["event"]["subject"] == timeout["event"]["subject"] == generation
    assert (result["event"]["data"]["status"], result["offset"]) == ("COMPLETE", 2)
    assert tab.silent()


def test_the_owner_cancels_and_nobody_else(
    herald: Herald, alice: User, bob: User, tab: Tab, asking: AskedStack
) -> None:
    job = f"job-{uuid.uuid4().hex}"
    asking.apis.put("replicate", job, "running")
    generation = insert(herald, alice, "replicate", job, minutes=0)
    stranger = bob.tab()
    stranger.hello()
    for wanted in (generation, str(uuid.uuid4())):
        stranger.say(action="cancel", id="c", generation=wanted)
        refused = stranger.hear()
        assert (refused["type"], refused["code"], refused["re"]) == ("error", 4013, "c")
    tab.say(action="cancel", id=7, generation=generation)
    frames: list[dict[str, Any]] = [tab.hear(), tab.hear()]  # in either order
    answer = next(frame for frame in frames if frame["type"] == "cancel_ok")
    assert (answer["re"], answer["generation"]) == (7, generation)
    event = next(frame["event"] for frame in frames if frame["type"] == "event")
    assert (event["subject"], event["data"]["error"]["code"]) == (generation, "canceled")
    assert ("replicate", job) in asking.apis.canceled
    tab.say(action="cancel", id=8, generation=generation)  # the first answer may have been lost
    assert tab.hear()["type"] == "cancel_ok"


def test_a_thin_event_is_resolved_at_once(
    herald: Herald, alice: User, tab: Tab, asking: AskedStack, stack_env: Mapping[str, str]
) -> None:
    job = f"resp_{uuid.uuid4().hex}"
    asking.apis.put("openai", job, "succeeded")
    generation = insert(herald, alice, "openai", job, minutes=0)
    provider = Provider("openai", stack_env)
    answer = provider.call(provider.body("succeeded", generation, job), generation, in_path=False)
    assert (answer.status_code, answer.json()) == (200, {"outcome": "accepted"})
    [frame] = tab.events(1)
    assert (frame["event"]["subject"], frame["event"]["data"]["status"]) == (generation, "COMPLETE")


def test_the_commands_cancel_and_trace(
    herald: Herald, alice: User, tab: Tab, asking: AskedStack, stack: Stack
) -> None:
    job = f"job-{uuid.uuid4().hex}"
    asking.apis.put("luma", job, "running")
    generation = insert(herald, alice, "luma", job, minutes=0)
    arguments = ["--stack-env", str(stack.env_file), "--json"]
    code, said, _ = run("cancel", generation, *arguments)
    assert (code, json.loads(said)["atProvider"]) == (0, "accepted")
    tab.events(1)
    code, said, _ = run("cancel", str(uuid.uuid4()), *arguments)
    assert (code, json.loads(said)["outcome"]) == (1, "not_cancelable")
    code, said, _ = run("trace", generation, *arguments)
    found = json.loads(said)
    assert (code, found["user"], found["status"]) == (0, alice.name, "ERROR")
    steps = [step["step"] for step in found["steps"]]
    assert steps[0] == "inserted"
    assert {"recorded", "published", "stored", "generation canceled"} <= set(steps)
