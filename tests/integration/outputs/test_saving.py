"""Files that a look-up found and that have no URL for a browser, with S3 on moto."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import CopyFailed
from chalicelib.outputs.copying import Copier
from chalicelib.outputs.fetch import Fetcher
from chalicelib.outputs.saving import Saver
from chalicelib.providers.report import Call, File, Kind
from chalicelib.recording.watching import Due
from tests.fakes.provider_apis import PNG
from tests.integration.outputs.conftest import BASE, USER

if TYPE_CHECKING:
    from tests.integration.outputs.conftest import World

pytestmark = pytest.mark.integration

MOST = 1_000_000
VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(2000)


@pytest.fixture
def saver(world: World) -> Saver:
    fetcher = Fetcher(MOST)
    bucket = world.runtime.keep._copier._bucket
    return Saver(Copier(bucket, world.outputs, fetcher, MOST), fetcher, world.links, world.outputs)


def row(provider: str = "openai") -> Due:
    return Due(str(uuid.uuid4()), USER, provider, "job-1", None)


def keep(saver: Saver, due: Due, file: File, number: int = 0) -> Any:
    return saver.keep(due, number, file, deadline=time.monotonic() + 20)


def test_bytes_are_stored_behind_a_link(world: World, saver: Saver) -> None:
    due = row()
    output = keep(saver, due, File(Kind.IMAGE, PNG))
    assert output.url.startswith(f"{BASE}/{due.id}/0/")
    assert (output.content_type, output.width, output.height) == ("image/png", 1, 1)
    assert (output.bytes, output.kind) == (len(PNG), Kind.IMAGE)
    assert output.expires_at is not None
    assert world.loaded(due.id) == (PNG, "image/png")


def test_a_repeated_look_up_stores_the_same_file_again(world: World, saver: Saver) -> None:
    due = row()
    first, second = (keep(saver, due, File(Kind.IMAGE, PNG)) for _ in range(2))
    assert first._replace(expires_at=None) == second._replace(expires_at=None)
    assert len(world.objects()) == 1


def test_a_file_that_needs_our_key_is_fetched_with_it(world: World, saver: Saver) -> None:
    world.source.files["/v1beta/files/abc:download"] = lambda request: request.serve(
        VIDEO, "video/mp4"
    )
    url = f"http://127.0.0.1:{world.source.port}/v1beta/files/abc:download?alt=media"
    call = Call("GET", url, (("x-goog-api-key", "our-key"),))
    due = row("gemini")
    output = keep(saver, due, File(Kind.VIDEO, call=call, content_type="video/mp4"), 1)
    assert (output.url.split("/")[-2], output.content_type) == ("1", "video/mp4")
    [(_, headers)] = world.source.asked
    assert {name.lower(): value for name, value in headers.items()}["x-goog-api-key"] == "our-key"
    assert world.loaded(due.id, 1) == (VIDEO, "video/mp4")


def test_a_file_that_is_too_large_is_given_up(world: World, saver: Saver) -> None:
    huge = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(MOST)
    world.source.files["/huge"] = lambda request: request.serve(huge, "video/mp4")
    url = f"http://127.0.0.1:{world.source.port}/huge"
    assert keep(saver, row("gemini"), File(Kind.VIDEO, call=Call("GET", url))) is None
    assert world.objects() == []


def test_a_file_that_is_not_served_now_is_tried_again(world: World, saver: Saver) -> None:
    world.source.files["/busy"] = lambda request: request.answer(503, {"content-length": "0"}, b"")
    url = f"http://127.0.0.1:{world.source.port}/busy"
    with pytest.raises(CopyFailed):
        keep(saver, row("gemini"), File(Kind.VIDEO, call=Call("GET", url)))


def test_an_https_address_of_another_host_is_never_asked(world: World, saver: Saver) -> None:
    call = Call("GET", "https://localhost/v1beta/files/abc", (("x-goog-api-key", "our-key"),))
    assert keep(saver, row("gemini"), File(Kind.VIDEO, call=call)) is None
    assert world.source.asked == []
