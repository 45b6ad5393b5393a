"""A file of any size is copied with the memory of a few parts."""

from __future__ import annotations

import time
import tracemalloc
from typing import TYPE_CHECKING, Any, cast

import pytest

from chalicelib.aws.s3 import MAX_PARTS, PART_BYTES, Part
from chalicelib.errors import CopyFailed
from chalicelib.outputs.copying import Copier, Owner, user_prefix
from tests.media_files import box

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chalicelib.store.outputs import Copy

SIZE = 500_000_000
HEAD = box(b"ftyp", b"isom", b"\0" * 8)
OWNER = Owner("alice", "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38", 0)


class Endless:
    """A video of a given size, which is never whole in memory."""

    validator = ""
    content_type = "video/mp4"

    def __init__(self, size: int) -> None:
        self.length: int | None = size
        self._left = size - len(HEAD)
        self._head = HEAD

    def read(self, size: int = PART_BYTES) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        piece = bytes(min(size, self._left))
        self._left -= len(piece)
        return piece


class Forgetful:
    """A fake of the bucket that keeps only the sizes of parts."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.completed = False

    def begin(self, key: str, headers: Mapping[str, str], *, deadline: float) -> str:
        return "upload"

    def put_part(
        self, key: str, upload_id: str, number: int, body: bytes, *, deadline: float
    ) -> None:
        assert number == len(self.sizes) + 1
        self.sizes.append(len(body))

    def parts(self, key: str, upload_id: str, *, deadline: float) -> list[Part]:
        return [Part(number, "tag", size) for number, size in enumerate(self.sizes, 1)]

    def complete(self, key: str, upload_id: str, parts: Sequence[Part], *, deadline: float) -> None:
        self.completed = True


class Table:
    """A fake of the table of outputs."""

    def add(self, *arguments: object) -> None:
        pass


def save(bucket: Forgetful, size: int, most: int = 10 * SIZE, seconds: float = 60) -> Copy:
    copier = Copier(cast("Any", bucket), cast("Any", Table()), cast("Any", None), most)
    deadline = time.monotonic() + seconds
    return copier.save(OWNER, "acme", "video", Endless(size), deadline=deadline)


def test_a_video_of_500_mb_needs_the_memory_of_a_few_parts() -> None:
    bucket = Forgetful()
    tracemalloc.start()
    try:
        copy = save(bucket, SIZE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * PART_BYTES
    assert (copy.bytes, bucket.completed) == (SIZE, True)
    assert set(bucket.sizes[:-1]) == {PART_BYTES}


@pytest.mark.parametrize(("most", "seconds"), [(PART_BYTES * 2, 60), (SIZE, 4)])
def test_a_copy_ends_at_its_limits_of_size_and_time(most: int, seconds: float) -> None:
    bucket = Forgetful()
    with pytest.raises(CopyFailed) as caught:
        save(bucket, PART_BYTES * 3, most, seconds)
    assert not bucket.completed
    assert caught.value.in_progress is (most == SIZE)


def test_the_largest_file_fits_into_the_parts_of_an_upload() -> None:
    assert MAX_PARTS * PART_BYTES > 50_000 * 1_000_000  # output_max_megabytes in infra/


def test_a_key_shows_neither_the_user_nor_can_it_be_of_another() -> None:
    assert OWNER.key.startswith(user_prefix("alice"))
    assert "alice" not in OWNER.key
    assert user_prefix("alice") != user_prefix("bob")
    assert OWNER.key.endswith("/8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38/0")
