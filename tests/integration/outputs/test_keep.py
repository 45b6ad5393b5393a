"""Outputs are copied once and whole, whatever happens on the way, or are counted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.aws.s3 import PART_BYTES
from chalicelib.errors import CopyFailed, ServiceError
from chalicelib.outputs.copying import Bytes, Owner
from chalicelib.store.outputs import Source
from tests.integration.outputs.conftest import USER, Context, World
from tests.media_files import box, jpeg, png
from tooling import ROOT

if TYPE_CHECKING:
    from tests.integration.outputs.cdn import Request

pytestmark = pytest.mark.integration

PICTURE = png(640, 480)
VIDEO = box(b"ftyp", b"isom", b"\0" * 8) + random.Random(1).randbytes(2 * PART_BYTES + 12_345)


def metrics_of(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in map(json.loads, text.splitlines()):
        for metric in line.get("_aws", {}).get("CloudWatchMetrics", [{}])[0].get("Metrics", []):
            found[metric["Name"]] = found.get(metric["Name"], 0) + line[metric["Name"]]
    return found


def test_a_link_leads_to_the_provider_and_then_to_the_copy(world: World) -> None:
    url = world.source.put("/a.png", PICTURE)
    generation = world.registered(url)
    before = world.follow(generation)
    assert (before["statusCode"], before["headers"]["location"]) == (302, url)
    assert before["headers"]["cache-control"] == "no-store"
    assert world.keep(generation)
    world.source.files.clear()  # the provider forgets it
    assert world.loaded(generation) == (PICTURE, "image/png")
    described = world.follow(generation, accept="application/json")
    assert described["statusCode"] == 200
    body = json.loads(described["body"])
    assert {name: body[name] for name in ("kept", "contentType", "bytes", "width", "height")} == {
        "kept": True,
        "contentType": "image/png",
        "bytes": len(PICTURE),
        "width": 640,
        "height": 480,
    }


def test_a_presigned_url_is_valid_for_15_minutes_at_most(world: World) -> None:
    generation = world.registered(world.source.put("/a.png", PICTURE))
    assert world.keep(generation)
    location = world.follow(generation)["headers"]["location"]
    assert "X-Amz-Expires=900&" in location


def test_all_outputs_are_copied_and_a_repeat_copies_nothing(world: World) -> None:
    urls = [world.source.put(f"/{n}.jpg", jpeg(n + 1, 2)) for n in range(3)]
    generation = world.registered(*urls)
    assert world.keep(generation)
    assert [world.loaded(generation, n)[0] for n in range(3)] == [jpeg(n + 1, 2) for n in range(3)]
    asked = len(world.source.asked)
    assert world.keep(generation, receives=2)
    assert len(world.source.asked) == asked
    assert len(world.objects()) == 3


def test_a_large_file_is_copied_in_parts(world: World) -> None:
    generation = world.registered(world.source.put("/a.mp4", VIDEO, "video/mp4"), kind="video")
    assert world.keep(generation)
    assert world.loaded(generation) == (VIDEO, "video/mp4")
    assert world.uploads() == 0


KEEPER = """
import json, os, sys
from chalicelib.runtime import Runtime
class Context:
    def get_remaining_time_in_millis(self): return 60_000
Runtime(os.environ).keep.handle(json.load(sys.stdin), Context())
"""


def test_a_copy_goes_on_where_a_killed_process_ended(world: World) -> None:
    halfway, going_on = threading.Event(), threading.Event()

    def serve(request: Request) -> None:
        if "range" in request.headers:
            request.serve(VIDEO, "video/mp4")
            return
        headers = {"content-length": str(len(VIDEO)), "etag": '"a"', "content-type": "video/mp4"}
        request.answer(200, headers, VIDEO[: PART_BYTES + 1000])
        halfway.set()
        going_on.wait(20)

    def resumed(request: Request) -> None:
        headers = {
            "content-range": f"bytes {PART_BYTES}-{len(VIDEO) - 1}/{len(VIDEO)}",
            "content-length": str(len(VIDEO) - PART_BYTES),
            "etag": '"a"',
        }
        request.answer(206, headers, VIDEO[PART_BYTES:])

    world.source.files["/a.mp4"] = serve
    generation = world.registered(world.source.url("/a.mp4"), kind="video")
    command = [sys.executable, "-c", KEEPER]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environ, cwd=ROOT) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"Records": [world.message(generation)]}).encode())
        process.stdin.close()
        assert halfway.wait(20)
        deadline = time.monotonic() + 20
        while not uploaded(world) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    going_on.set()
    assert world.objects() == []
    world.source.files["/a.mp4"] = resumed
    assert world.keep(generation, receives=2)
    assert world.source.asked[-1][1]["range"] == f"bytes={PART_BYTES}-"
    assert world.loaded(generation) == (VIDEO, "video/mp4")
    assert (len(world.objects()), world.uploads()) == (1, 0)


def uploaded(world: World) -> list[Any]:
    """The parts of the only upload."""
    uploads = world.s3.list_multipart_uploads(Bucket="outputs").get("Uploads", [])
    if not uploads:
        return []
    key, upload = uploads[0]["Key"], uploads[0]["UploadId"]
    parts = world.s3.list_parts(Bucket="outputs", Key=key, UploadId=upload)
    return list(parts.get("Parts", []))


def interrupted_after_a_part(world: World, tag: str = '"a"') -> str:
    """Return a generation with a copy that broke off after its first part."""

    def serve(request: Request) -> None:
        headers = {"content-length": str(len(VIDEO)), "content-type": "video/mp4"}
        request.answer(200, headers | ({"etag": tag} if tag else {}), VIDEO[: PART_BYTES + 1000])
        request.close_connection = True

    world.source.files["/a.mp4"] = serve
    generation = world.registered(world.source.url("/a.mp4"), kind="video")
    assert not world.keep(generation)
    assert len(uploaded(world)) == 1
    return generation


@pytest.mark.parametrize("tag", ['"a"', ""])
def test_a_source_that_has_changed_or_does_not_say_so_is_copied_anew(
    world: World, tag: str
) -> None:
    generation = interrupted_after_a_part(world, tag)
    other = VIDEO[:-1] + b"!"
    world.source.put("/a.mp4", other, "video/mp4")
    assert world.keep(generation, receives=2)
    assert world.loaded(generation)[0] == other
    assert (len(world.objects()), world.uploads()) == (1, 0)


def test_a_source_that_sends_a_wrong_part_is_copied_anew(world: World) -> None:
    generation = interrupted_after_a_part(world)

    def serve(request: Request) -> None:
        if "range" in request.headers:
            headers = {"content-range": "bytes 0-9/10", "content-length": "10", "etag": '"b"'}
            request.answer(206, headers, b"0123456789")
        else:
            request.serve(VIDEO, "video/mp4")

    world.source.files["/a.mp4"] = serve
    assert world.keep(generation, receives=2)
    assert world.loaded(generation)[0] == VIDEO


def test_an_upload_that_s3_has_forgotten_is_begun_anew(world: World) -> None:
    generation = interrupted_after_a_part(world)
    [upload] = world.s3.list_multipart_uploads(Bucket="outputs")["Uploads"]
    world.s3.abort_multipart_upload(
        Bucket="outputs", Key=upload["Key"], UploadId=upload["UploadId"]
    )
    world.source.put("/a.mp4", VIDEO, "video/mp4")
    assert world.keep(generation, receives=2)
    assert world.loaded(generation)[0] == VIDEO


def test_a_copy_whose_last_answer_was_lost_is_finished(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = world.registered(world.source.put("/a.mp4", VIDEO, "video/mp4"), kind="video")
    bucket = world.runtime.keep._copier._bucket
    complete = bucket.complete

    def lost(*arguments: Any, **options: Any) -> None:
        complete(*arguments, **options)
        raise ServiceError("s3", 0, "reset")

    with monkeypatch.context() as patch:
        patch.setattr(bucket, "complete", lost)
        assert not world.keep(generation)
    world.source.files.clear()
    world.source.put("/a.mp4", VIDEO, "video/mp4")
    assert world.keep(generation, receives=2)
    assert world.loaded(generation)[0] == VIDEO
    assert (len(world.objects()), world.uploads()) == (1, 0)


def test_a_copy_that_s3_refuses_is_tried_again(world: World) -> None:
    generation = world.registered(world.source.put("/a.png", PICTURE))
    world.s3.delete_bucket(Bucket="outputs")
    assert not world.keep(generation)
    region = world.environ["AWS_REGION"]
    world.s3.create_bucket(
        Bucket="outputs",
        CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
    )
    assert world.keep(generation, receives=2)
    assert world.loaded(generation)[0] == PICTURE


def test_a_slow_source_is_copied_in_several_invocations(world: World) -> None:
    """The time of each invocation is enough for one part only."""
    generation = interrupted_after_a_part(world)
    waiting = threading.Event()

    def serve(request: Request) -> None:
        start = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        headers = {
            "content-range": f"bytes {start}-{len(VIDEO) - 1}/{len(VIDEO)}",
            "content-length": str(len(VIDEO) - start),
            "etag": '"a"',
        }
        request.answer(206, headers, VIDEO[start : start + PART_BYTES])
        waiting.wait(0.8)  # longer than the invocation
        request.close_connection = True

    world.source.files["/a.mp4"] = serve
    assert not world.keep(generation, receives=2, seconds=6.6)  # 5 s and 1 s are margins
    assert len(uploaded(world)) == 2
    waiting.set()
    assert world.keep(generation, receives=3)
    assert world.loaded(generation)[0] == VIDEO


def test_a_source_that_lies_about_its_length_is_never_kept(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve(request: Request) -> None:
        headers = {"content-length": str(len(PICTURE) + 1), "content-type": "image/png"}
        request.answer(200, headers, PICTURE)
        request.close_connection = True

    world.source.files["/a.png"] = serve
    generation = world.registered(world.source.url("/a.png"))
    for receives in (1, 2, 3):
        assert not world.keep(generation, receives)
    assert world.objects() == []
    assert world.follow(generation)["headers"]["location"] == world.source.url("/a.png")
    found = metrics_of(capsys.readouterr().out)
    assert found == {"CopiesFailed": 3, "OutputsNotKept": 1}
    # a redrive, once the source is repaired
    world.source.put("/a.png", PICTURE)
    assert world.keep(generation, receives=1)
    assert world.loaded(generation)[0] == PICTURE


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", "image/png"),
        (b"<!doctype html><title>Expired</title>", "text/html"),
        (b"<!doctype html><title>Expired</title>", "image/png"),
        (b'{"detail":"not found"}', "application/json"),
    ],
)
def test_a_page_about_an_error_is_not_kept(world: World, content: bytes, content_type: str) -> None:
    generation = world.registered(world.source.put("/a.png", content, content_type))
    assert not world.keep(generation)
    assert world.objects() == []


def test_one_output_that_fails_does_not_stop_the_others(world: World) -> None:
    generation = world.registered(
        world.source.url("/missing.png"), world.source.put("/a.png", PICTURE)
    )
    assert not world.keep(generation)
    assert world.loaded(generation, 1)[0] == PICTURE
    world.source.put("/missing.png", jpeg(1, 1))
    assert world.keep(generation, receives=2)
    assert world.loaded(generation, 0)[0] == jpeg(1, 1)


def test_an_address_that_is_no_longer_allowed_is_neither_loaded_nor_linked(world: World) -> None:
    generation = world.registered("http://127.0.0.1:1/a.png")
    assert not world.keep(generation)
    assert world.follow(generation)["statusCode"] == 410
    assert world.source.asked == []


def test_a_message_that_fails_is_received_again_after_a_pause(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = world.environ["HERALD_KEEP_QUEUE_URL"]
    generation = world.registered(world.source.url("/a.png"))
    pauses: list[int] = []
    call = world.runtime.keep._sqs.call

    def noted(operation: str, payload: dict[str, Any], *rest: Any) -> Any:
        pauses.append(payload["VisibilityTimeout"])
        return call(operation, payload, *rest)

    monkeypatch.setattr(world.runtime.keep._sqs, "call", noted)
    monkeypatch.setattr(world.runtime.keep, "_max_receive_count", 4)
    world.sqs.send_message(QueueUrl=queue, MessageBody=world.message(generation)["body"])
    for receives in (1, 2, 3, 4):
        [message] = world.sqs.receive_message(QueueUrl=queue)["Messages"]
        record = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }
        event: Any = {"Records": [record]}
        assert world.runtime.keep.handle(event, Context())["batchItemFailures"]
        world.sqs.change_message_visibility(
            QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    assert pauses == [15, 60, 240, 0], "the last attempt: SQS makes it a dead letter at once"


def test_events_that_are_no_results_and_generations_without_outputs_need_nothing(
    world: World,
) -> None:
    assert world.keep("8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38")
    message = world.message(world.registered(world.source.url("/a.png")))
    event = json.loads(message["body"])
    del event["epoch"], event["sequence"]
    message["body"] = json.dumps(event)
    records: Any = {"Records": [message]}
    assert world.runtime.keep.handle(records, Context()) == {"batchItemFailures": []}
    message["body"] = "not an event"
    failed = world.runtime.keep.handle(records, Context())["batchItemFailures"]
    assert failed == [{"itemIdentifier": message["messageId"]}]


def test_a_user_who_is_erased_meanwhile_leaves_no_object(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = world.registered(world.source.put("/a.png", PICTURE))
    bucket = world.runtime.keep._copier._bucket
    put = bucket.put

    def erased(*arguments: Any, **options: Any) -> None:
        put(*arguments, **options)
        key = {"generation_id": {"S": generation}}
        world.dynamodb.delete_item(TableName="outputs", Key=key)

    monkeypatch.setattr(bucket, "put", erased)
    assert not world.keep(generation)
    assert world.objects() == []
    assert world.keep(generation, receives=2)


def test_sources_do_not_change_once_copying_has_begun(world: World) -> None:
    generation = world.registered(world.source.put("/a.png", PICTURE))
    newer = [Source(world.source.url("/b.png"), "image")]
    world.outputs.register(generation, "generations", newer, time.monotonic() + 5)
    kept = world.outputs.read(generation)
    assert kept is not None
    assert kept.sources[0].url == world.source.url("/b.png")
    world.source.put("/b.png", PICTURE)
    assert world.keep(generation)
    world.outputs.register(
        generation, "generations", [Source("https://x.example/", "image")], time.monotonic() + 5
    )
    assert world.loaded(generation)[0] == PICTURE


# --- results without an address ---


@pytest.mark.parametrize("content", [PICTURE, jpeg(3, 2) + b"\0" * (PART_BYTES + 5)])
def test_a_result_in_bytes_is_stored_and_linked(world: World, content: bytes) -> None:
    generation = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"
    copier = world.runtime.keep._copier
    owner = Owner(USER, generation, 0)
    file = Bytes(content)
    copy = copier.save(owner, "openai", "image", file, deadline=time.monotonic() + 30)
    assert copy.bytes == len(content)
    assert world.loaded(generation)[0] == content
    with pytest.raises(CopyFailed, match="empty"):
        copier.save(owner, "openai", "image", Bytes(b""), deadline=time.monotonic() + 30)


# --- links ---


def test_a_link_that_was_not_made_here_is_not_found(world: World) -> None:
    generation = world.registered(world.source.put("/a.png", PICTURE))
    wrong: list[tuple[int | str, str | None]] = [
        (0, "x" * 22),
        (0, ""),
        (1, None),  # signed, but there is no such output
        ("00", "x"),
        ("-1", "x"),
        ("100", "x"),
        ("0x0", "x"),
    ]
    for index, signature in wrong:
        answer = world.follow(generation, index, signature)
        assert answer["statusCode"] == 404, (index, signature)
        assert "location" not in answer["headers"]
    assert world.follow(generation.upper(), 0)["statusCode"] == 404
    assert world.follow("../../etc", 0)["statusCode"] == 404


def test_a_link_that_has_expired_is_gone(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    now = int(time.time())
    dead = world.registered(world.source.url("/a.png"), expires_at=now - 1)
    never = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"
    old = world.registered(world.source.put("/a.png", PICTURE))
    assert world.keep(old)
    world.dynamodb.update_item(
        TableName="outputs",
        Key={"generation_id": {"S": old}},
        UpdateExpression="SET expires_at = :now",
        ExpressionAttributeValues={":now": {"N": str(now - 1)}},
    )
    capsys.readouterr()
    for generation in (dead, never, old):
        answer = world.follow(generation)
        assert answer["statusCode"] == 410
        assert "has expired" in json.loads(answer["body"])["message"]
    assert metrics_of(capsys.readouterr().out) == {"LinksGone": 3}


def test_a_link_is_answered_503_while_the_table_cannot_be_read(world: World) -> None:
    generation = world.registered(world.source.url("/a.png"))
    world.dynamodb.delete_table(TableName="outputs")
    answer = world.follow(generation)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "5")
