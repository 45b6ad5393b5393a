"""Events travel from the provider's webhook to the tabs of the owner, and to no other user."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Herald, User, eventually

pytestmark = pytest.mark.e2e

EVENTS = Path(__file__).parents[1] / "events"


def test_a_webhook_becomes_an_event_in_its_owners_tab(alice: User, herald: Herald) -> None:
    tab = alice.tab()
    assert tab.socket.subprotocol == "herald.v1", "the credential is never echoed"
    tab.hello()
    generation_id = alice.generation("a fox in the snow")
    answer = herald.webhook(generation_id)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "recorded")
    [frame] = tab.events(1)
    [(epoch, last_offset)] = herald.query(
        "SELECT epoch::text, last_offset FROM herald.streams WHERE user_id = %s", alice.name
    )
    event = frame["event"]
    assert (frame["epoch"], frame["offset"], frame["replayed"]) == (epoch, last_offset, False)
    assert event["id"] == answer.json()["eventId"]
    assert (event["specversion"], event["type"]) == ("1.0", "herald.generation.complete")
    assert (event["subject"], event["userid"]) == (generation_id, alice.name)
    assert (event["epoch"], event["sequence"]) == (epoch, str(last_offset))
    assert {name: event["data"][name] for name in ("prompt", "status", "imageHeight")} == {
        "prompt": "a fox in the snow",
        "status": "COMPLETE",
        "imageHeight": 1024,
    }
    assert event["data"]["imageUrl"].endswith(f"{generation_id}.png")
    eventually(
        lambda: herald.query(
            "SELECT 1 FROM herald.outbox WHERE published_at > now() - interval '1 min'"
        )
    )


def test_only_the_owner_receives_the_event(alice: User, bob: User) -> None:
    alices, bobs = alice.tab(), bob.tab()
    alices.hello()
    bobs.hello()
    generation_id = alice.finished()
    assert alices.events(1)[0]["event"]["subject"] == generation_id
    assert bobs.silent()
    assert bob.tab().hello({"offset": 0})["stream"]["head"] == 0


def test_both_tabs_of_a_user_receive_the_event(alice: User) -> None:
    tabs = [alice.tab(), alice.tab()]
    for tab in tabs:
        tab.hello()
    generation_id = alice.finished()
    assert [tab.events(1)[0]["event"]["subject"] for tab in tabs] == [generation_id] * 2


def test_a_client_that_never_said_hello_receives_live_events(alice: User) -> None:
    tab = alice.tab()
    generation_id = alice.finished()
    assert tab.events(1)[0]["event"]["subject"] == generation_id


def test_an_odd_detail_does_not_cost_the_result(alice: User, herald: Herald) -> None:
    tab = alice.tab()
    tab.hello()
    finished, failed = alice.generation(), alice.generation()
    herald.webhook(finished, imageHeight="tall", imageWidth=0, coreModel="m" * 500)
    herald.webhook(failed, status="ERROR", imageUrl="", error="CUDA out of memory")
    data = {frame["event"]["subject"]: frame["event"]["data"] for frame in tab.events(2)}
    assert (data[finished]["status"], data[finished]["imageHeight"]) == ("COMPLETE", None)
    assert data[failed]["error"]["message"] == "CUDA out of memory"


def test_a_failed_generation_is_delivered_with_its_reason(alice: User, herald: Herald) -> None:
    tab = alice.tab()
    tab.hello()
    given = {"code": "nsfw", "message": "The prompt was refused."}
    failure = {**given, "code": "generation_failed", "providerCode": "nsfw"}
    body = {"generationId": alice.generation(), "status": "ERROR", "error": given}
    assert herald.webhook("", body=json.dumps(body)).status_code == 200
    [frame] = tab.events(1)
    assert frame["event"]["type"] == "herald.generation.error"
    assert frame["event"]["data"]["error"] == failure


def test_progress_reaches_the_tab_and_a_reloaded_page_until_the_result(
    alice: User, herald: Herald
) -> None:
    tab = alice.tab()
    tab.hello()
    running = alice.generation()
    body = {"generationId": running, "status": "PENDING", "progress": 0.4}
    assert herald.webhook("", body=json.dumps(body)).json()["outcome"] == "progress"
    [frame] = tab.events(1)
    assert (frame["epoch"], frame["offset"]) == (None, None)
    assert frame["event"]["type"] == "herald.generation.progress"
    assert (frame["event"]["subject"], frame["event"]["data"]["progress"]) == (running, 0.4)
    reloaded = alice.tab()
    reloaded.hello()
    assert reloaded.events(1)[0]["event"]["id"] == frame["event"]["id"]
    herald.webhook(running)
    assert tab.events(1)[0]["event"]["type"] == "herald.generation.complete"
    late = alice.tab()
    late.hello()
    assert late.silent()


def test_all_outputs_reach_the_tab(alice: User, herald: Herald) -> None:
    tab = alice.tab()
    tab.hello()
    outputs = [
        {"kind": "video", "url": "https://images.example/1.mp4", "durationMs": 4000},
        {"kind": "image", "url": "https://images.example/1.png", "width": 640, "height": 480},
    ]
    body = {"generationId": alice.generation(), "status": "COMPLETE", "outputs": outputs}
    assert herald.webhook("", body=json.dumps(body)).status_code == 200
    data = tab.events(1)[0]["event"]["data"]
    assert [output["url"] for output in data["outputs"]] == [each["url"] for each in outputs]
    assert (data["imageUrl"], data["imageWidth"]) == ("https://images.example/1.png", 640)


def test_a_direct_invocation_of_the_callback_takes_the_same_object(
    alice: User, herald: Herald
) -> None:
    tab = alice.tab()
    tab.hello()
    body = {"generationId": alice.generation(), "status": "ERROR"}
    answer = herald.client("lambda").invoke(
        FunctionName="herald-local-callback", Payload=json.dumps(body)
    )
    assert json.loads(answer["Payload"].read())["statusCode"] == 200
    assert tab.events(1)[0]["event"]["data"]["status"] == "ERROR"


def test_a_long_prompt_is_shortened_to_fit_a_frame(alice: User) -> None:
    tab = alice.tab()
    tab.hello()
    alice.finished(prompt="ü" * 40_000)
    data = tab.events(1)[0]["event"]["data"]
    assert data["truncated"]
    assert 10_000 < len(data["prompt"]) < 20_000


def test_the_relay_delivers_events_that_were_never_published(alice: User, herald: Herald) -> None:
    """A callback can fail after it has recorded a result and before it has published the event."""
    tab = alice.tab()
    tab.hello()
    first = alice.finished()
    template = tab.events(1)[0]["event"]
    [(epoch, last)] = herald.query(
        "UPDATE herald.streams SET last_offset = last_offset + 1 WHERE user_id = %s"
        " RETURNING epoch::text, last_offset",
        alice.name,
    )
    unpublished = {**template, "id": alice.generation(), "epoch": epoch, "sequence": str(last)}
    herald.database.execute(
        "INSERT INTO herald.outbox (id, event, created_at)"
        " VALUES (%s, %s, now() - interval '1 minute')",
        (unpublished["id"], json.dumps(unpublished)),
    )
    answer = herald.client("lambda").invoke(
        FunctionName="herald-local-relay", Payload=(EVENTS / "schedule.json").read_text()
    )
    assert "FunctionError" not in answer  # the scheduled relay may have published it first
    [frame] = tab.events(1)
    assert (frame["offset"], frame["event"]["id"]) == (2, unpublished["id"])
    assert frame["event"]["subject"] == first


def test_a_poison_message_goes_to_the_dlq_after_three_receives_and_others_are_delivered(
    alice: User, herald: Herald
) -> None:
    tab = alice.tab()
    tab.hello()
    sqs = herald.client("sqs")
    queue, dlq = herald.env["HERALD_QUEUE_URL"], herald.env["HERALD_DLQ_URL"]
    visibility = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])
    # A short visibility timeout, because with the real one three receives would take six minutes.
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    poison = f"poison for {alice.name}"
    try:
        sqs.send_message(QueueUrl=queue, MessageBody=poison)
        generation_ids = [alice.finished() for _ in range(3)]
        arrived = [frame["event"]["subject"] for frame in tab.events(3)]
        assert sorted(arrived) == sorted(generation_ids)
        [dead] = eventually(lambda: taken(sqs, dlq, poison), seconds=60)
        assert int(dead["Attributes"]["ApproximateReceiveCount"]) >= 3
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=visibility["Attributes"])


def taken(sqs: Any, queue_url: str, body: str) -> list[Any]:
    """Take the messages with this body from a queue and release the others."""
    found = sqs.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, AttributeNames=["All"], WaitTimeSeconds=1
    ).get("Messages", [])
    for message in found:
        if message["Body"] == body:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        else:
            sqs.change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
    return [message for message in found if message["Body"] == body]
