"""Kept outputs on the applied stack: the event is immediate, and its links outlive the provider."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from chalicelib.aws.s3 import PART_BYTES
from tests.e2e.conftest import Herald, User, eventually
from tests.integration.outputs import cdn
from tests.media_files import box, png
from tests.providers import Provider
from tooling.providers.samples import Job, now, sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.integration.outputs.cdn import Cdn, Request

pytestmark = pytest.mark.e2e

PICTURE = png(640, 480)
VIDEO = box(b"ftyp", b"isom", b"\0" * 8) + bytes(range(256)) * (PART_BYTES // 256 + 1000)


@pytest.fixture
def source() -> Iterator[Cdn]:
    """A stand-in of Replicate's CDN."""
    with cdn.running() as found:
        yield found


@pytest.fixture
def replicate(stack_env: Mapping[str, str]) -> Provider:
    return Provider("replicate", stack_env)


def delivered(replicate: Provider, generation: str, *urls: str) -> None:
    body = sample("replicate", "succeeded", Job(generation, f"p-{generation}", urls, at=now()))
    assert body is not None
    answer = replicate.call(body, generation)
    assert answer.status_code == 200, answer.text


def follow(link: str, **headers: str) -> httpx.Response:
    return httpx.get(link, headers=headers, timeout=30)


def kept(link: str) -> dict[str, Any] | None:
    """What `link` says of an output, once it is kept."""
    found: dict[str, Any] = follow(link, accept="application/json").json()
    return found if found["kept"] else None


def test_the_event_does_not_wait_and_its_link_outlives_the_provider(
    herald: Herald, alice: User, replicate: Provider, source: Cdn
) -> None:
    copying = threading.Event()

    def serve(request: Request) -> None:
        copying.wait(20)
        request.serve(PICTURE, "image/png")

    source.files["/out-0.png"] = serve
    live = alice.tab()
    live.hello()
    generation = alice.generation()
    delivered(replicate, generation, source.url("/out-0.png"))
    [frame] = live.events(1)  # while the file cannot be copied
    data = frame["event"]["data"]
    link = data["imageUrl"]
    assert f"/outputs/{generation}/0/" in link
    assert data["outputs"][0]["url"] == link
    assert str(source.port) not in str(frame)
    first = follow(link)
    assert (first.status_code, first.headers["location"]) == (302, source.url("/out-0.png"))
    assert first.headers["cache-control"] == "no-store"
    assert herald.query(
        "SELECT image_url, outputs->0->>'url' FROM herald.generations WHERE id = %s", generation
    ) == [(link, link)]
    copying.set()
    found = eventually(lambda: kept(link))
    assert (found["contentType"], found["bytes"]) == ("image/png", len(PICTURE))
    assert (found["width"], found["height"]) == (640, 480)
    source.files.clear()  # an hour later, the provider has forgotten it
    loaded = httpx.get(link, follow_redirects=True, timeout=30)
    assert (loaded.status_code, loaded.content) == (200, PICTURE)
    assert loaded.headers["content-type"] == "image/png"


def test_a_replayed_event_has_the_same_links(alice: User, replicate: Provider, source: Cdn) -> None:
    tab = alice.tab()
    tab.hello()
    alice.finished()
    [frame] = tab.events(1)
    cursor = {"epoch": frame["epoch"], "offset": frame["offset"]}
    generation = alice.generation()
    urls = [source.put(f"/out-{n}.png", png(n + 1, 1)) for n in range(2)]
    delivered(replicate, generation, *urls)
    [live] = tab.events(1)
    links = [output["url"] for output in live["event"]["data"]["outputs"]]
    for link in links:
        eventually(partial(kept, link))
    source.files.clear()
    back = alice.tab()
    back.hello(cursor)
    [replayed] = back.events(1)
    assert replayed["event"] == live["event"]
    for number, link in enumerate(links):
        content = httpx.get(link, follow_redirects=True, timeout=30).content
        assert content == png(number + 1, 1)


def test_a_large_file_is_copied_in_parts(alice: User, replicate: Provider, source: Cdn) -> None:
    tab = alice.tab()
    tab.hello()
    delivered(replicate, alice.generation(), source.put("/out.mp4", VIDEO, "video/mp4"))
    [frame] = tab.events(1)
    link = frame["event"]["data"]["outputs"][0]["url"]
    eventually(lambda: kept(link))
    source.files.clear()
    assert httpx.get(link, follow_redirects=True, timeout=30).content == VIDEO


def test_links_that_were_not_made_here_lead_nowhere(
    alice: User, replicate: Provider, source: Cdn
) -> None:
    tab = alice.tab()
    tab.hello()
    delivered(replicate, alice.generation(), source.put("/out.png", PICTURE))
    [frame] = tab.events(1)
    link = frame["event"]["data"]["imageUrl"]
    other, index, signature = link.rsplit("/", 2)
    for wrong in (
        f"{other}/{index}/{'x' * len(signature)}",
        f"{other}/1/{signature}",
        f"{other}/{index}/{signature}x",
    ):
        answer = follow(wrong)
        assert answer.status_code == 404
        assert "location" not in answer.headers
    location = eventually(lambda: kept(link))["url"]
    assert httpx.get(location, timeout=30).content == PICTURE
    unsigned = httpx.get(location.partition("?")[0], timeout=30)
    assert unsigned.status_code == 403
    altered = httpx.get(location.replace("X-Amz-Expires=900", "X-Amz-Expires=9000"), timeout=30)
    assert altered.status_code == 403


def test_an_output_of_another_host_is_passed_on(alice: User, replicate: Provider) -> None:
    tab = alice.tab()
    tab.hello()
    delivered(replicate, alice.generation(), "https://images.example.com/1.png")
    [frame] = tab.events(1)
    assert frame["event"]["data"]["imageUrl"] == "https://images.example.com/1.png"


def test_what_cannot_be_copied_is_tried_again_and_its_link_leads_to_the_provider(
    herald: Herald, alice: User, replicate: Provider, source: Cdn
) -> None:
    tab = alice.tab()
    tab.hello()
    url = source.url("/late.png")
    delivered(replicate, alice.generation(), url)
    [frame] = tab.events(1)
    link = frame["event"]["data"]["imageUrl"]
    eventually(lambda: [path for path, _ in source.asked if path == "/late.png"])
    assert follow(link).headers["location"] == url
    # The next attempt comes after a pause of 15 s, which this test does not wait for.
    source.put("/late.png", PICTURE)
    assert (
        herald.client("sqs").get_queue_attributes(
            QueueUrl=herald.env["HERALD_KEEP_QUEUE_URL"], AttributeNames=["All"]
        )["Attributes"]["ApproximateNumberOfMessagesNotVisible"]
        != "0"
    )
