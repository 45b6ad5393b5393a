"""Each provider calls the applied stack, and the owner's page gets the event."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.stack import Stack
from tests.e2e.conftest import Herald, Tab, User
from tests.integration.cli.conftest import run
from tests.providers import PROVIDERS, Provider
from tooling.providers.samples import Job, State, states
from tooling.providers.signing import sign

WITH_PROGRESS = [name for name in PROVIDERS if "running" in states(name)]
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of this length...").decode()


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest, stack_env: Mapping[str, str]) -> Provider:
    return Provider(request.param, stack_env)


@pytest.fixture
def replicate(stack_env: Mapping[str, str]) -> Provider:
    return Provider("replicate", stack_env)


@pytest.fixture
def tab(alice: User) -> Tab:
    tab = alice.tab()
    tab.hello()
    return tab


def received(tab: Tab, generation: str) -> dict[str, Any]:
    """The next event, which must be of this generation."""
    [frame] = tab.events(1)
    event: dict[str, Any] = frame["event"]
    assert event["subject"] == generation
    return event


def test_a_result_reaches_its_owner_once(provider: Provider, alice: User, tab: Tab) -> None:
    generation = alice.generation()
    body = provider.body("succeeded", generation)
    for outcome in (("recorded",), ("duplicate", "unchanged")):
        answer = provider.call(body, generation, delivery_id="same-" + generation)
        assert (answer.status_code, answer.json()["outcome"] in outcome) == (200, True)
    event = received(tab, generation)
    assert event["type"] == "herald.generation.complete"
    assert event["data"]["imageUrl"] == "https://images.example.com/1.png"
    assert [output["kind"] for output in event["data"]["outputs"]] == ["image"]
    assert tab.silent()


def test_a_failure_reaches_its_owner(provider: Provider, alice: User, tab: Tab) -> None:
    generation = alice.generation()
    state: State = "moderated" if provider.name == "ideogram" else "failed"
    assert provider.call(provider.body(state, generation), generation).status_code == 200
    event = received(tab, generation)
    assert event["type"] == "herald.generation.error"
    assert event["data"]["error"]["message"]


@pytest.mark.parametrize("provider", WITH_PROGRESS, indirect=True)
def test_progress_reaches_its_owner_and_late_progress_nobody(
    provider: Provider, alice: User, tab: Tab
) -> None:
    generation = alice.generation()
    running = provider.body("running", generation)
    assert provider.call(running, generation).json()["outcome"] == "progress"
    frame = tab.hear()
    assert frame["event"]["type"] == "herald.generation.progress"
    assert (frame["epoch"], frame["offset"]) == (None, None)
    assert provider.call(provider.body("succeeded", generation), generation).status_code == 200
    received(tab, generation)
    assert provider.call(running, generation).json()["outcome"] == "late"
    assert tab.silent()


def attempts(provider: Provider, body: bytes, generation: str) -> dict[str, Any]:
    """Forged webhooks, each as its provider's proof allows."""
    found: dict[str, Any] = {"another key": {}}
    headers = sign(
        provider.name, body, provider.keys, generation_id=generation, delivery_id="d", now=0
    ).headers
    if "secret" in provider.keys:
        found["another key"] = {"secret": OTHER_SECRET}
    if "token_key" in provider.keys:
        found["another key"] = {"token_key": "another key"}
        found["without proof"] = {"without": next(iter(headers), "token")}
    if "private_key" in provider.keys:
        from tooling.providers.keys import draw

        found["another key"] = {"private_key": draw()["fal"]["private_key"]}
        found["another account"] = {"user_id": "somebody-else"}
    for name in headers:
        found[f"without {name}"] = {"without": name}
    if any("timestamp" in name for name in headers):
        found["old"] = {"age": 400}
        found["early"] = {"age": -400}
    if any("signature" in name for name in headers):
        found["tampered"] = {"signed": body + b" "}
    return found


def test_a_forged_webhook_is_refused_and_nothing_is_written(
    provider: Provider, herald: Herald, alice: User, tab: Tab
) -> None:
    generation = alice.generation()
    body = provider.body("succeeded", generation)
    for kind, forged in attempts(provider, body, generation).items():
        answer = provider.call(body, generation, **forged)
        wanted = 404 if "token_key" in provider.keys and provider.name != "bfl" else 401
        assert answer.status_code == wanted, (kind, answer.text)
        assert set(answer.json()) == {"error", "message"}, kind
    [(status, provider_id)] = herald.query(
        "SELECT status, provider_id FROM herald.generations WHERE id = %s", generation
    )
    assert (status, provider_id) == ("PENDING", None)
    assert tab.silent()


def test_every_wrong_address_gets_the_same_answer(
    stack_env: Mapping[str, str], alice: User
) -> None:
    import httpx

    runpod = Provider("runpod", stack_env)
    generation = alice.generation()
    body = runpod.body("succeeded", generation)
    base = stack_env["HERALD_CALLBACKS_URL"]
    unknown = "00000000-0000-4000-8000-000000000000"
    answers = [
        httpx.post(f"{base}/{path}", content=body)
        for path in (
            "unknown",
            f"unknown/{generation}",
            f"sagemaker/{generation}",
            "runpod",
            f"runpod/{generation}",
            f"runpod/{generation}/wrong",
            "runpod/42/wrong",
        )
    ]
    answers.append(runpod.call(body, unknown))
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}, [
        answer.text for answer in answers
    ]


def test_an_account_level_result_waits_for_its_row(
    stack_env: Mapping[str, str], herald: Herald, alice: User, tab: Tab
) -> None:
    """The relay matches it. It runs every minute on AWS, and here when it is invoked."""
    leonardo = Provider("leonardo", stack_env)
    generation = alice.generation()
    body = leonardo.body("succeeded", generation)
    early = leonardo.call(body, generation, in_path=False)
    assert (early.status_code, early.json()) == (200, {"outcome": "unmatched"})
    herald.query(
        "UPDATE herald.generations SET provider = 'leonardo', provider_id = %s WHERE id = %s"
        " RETURNING id",
        f"p-{generation}",
        generation,
    )
    schedule = (Path(__file__).parents[1] / "events" / "schedule.json").read_text()
    answer = herald.client("lambda").invoke(FunctionName="herald-local-relay", Payload=schedule)
    assert json.loads(answer["Payload"].read())["matched"] == 1
    assert received(tab, generation)["data"]["status"] == "COMPLETE"


def test_a_message_of_sagemaker_reaches_its_owner(herald: Herald, alice: User, tab: Tab) -> None:
    from tooling.providers.samples import sample

    generation = alice.generation()
    message = (sample("sagemaker", "succeeded", Job(generation, generation)) or b"").decode()
    records = [{"EventSource": "aws:sns", "Sns": {"Message": message}}]
    answer = herald.client("lambda").invoke(
        FunctionName="herald-local-callback", Payload=json.dumps({"Records": records})
    )
    assert json.loads(answer["Payload"].read())["statusCode"] == 200
    event = received(tab, generation)
    assert event["data"]["outputs"][0]["contentType"] == "image/png"


def test_what_the_provider_echoes_is_not_logged(
    replicate: Provider, herald: Herald, alice: User
) -> None:
    secret = "a prompt that nobody may read"
    generation = alice.generation(secret)
    body = json.loads(replicate.body("succeeded", generation)) | {
        "input": {"prompt": secret},
        "webhook": "https://h.example/callbacks/replicate/x/token-in-url",
    }
    assert replicate.call(json.dumps(body).encode(), generation).status_code == 200
    logs = herald.client("logs")
    events = logs.filter_log_events(logGroupName="/aws/lambda/herald-local-callback")["events"]
    text = json.dumps([event["message"] for event in events])
    assert "callback handled" in text
    assert secret not in text
    assert "token-in-url" not in text


@pytest.mark.parametrize("name", [*PROVIDERS, "sagemaker"])
def test_a_simulated_webhook_reaches_its_owner(
    name: str, stack: Stack, alice: User, tab: Tab
) -> None:
    which = ("--stack-env", str(stack.env_file))
    code, output, errors = run("simulate", name, "--user", alice.name, "--json", *which)
    assert code == 0, errors
    answer = json.loads(output)
    assert answer["status"] == 200
    received(tab, answer["generation"])
