"""Copies outputs into the bucket: in parts of limited size, and from where an earlier attempt
ended.

A copy is finished only when S3 has all of it and the table says so. Until then, everything can be
repeated: parts have fixed borders, and an object that is written again has the same content.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from chalicelib.aws.s3 import MAX_PARTS, NO_SUCH_UPLOAD, PART_BYTES
from chalicelib.errors import CopyFailed, ServiceError
from chalicelib.outputs import media
from chalicelib.outputs.fetch import PIECE_BYTES, Resume
from chalicelib.store.outputs import CONDITION_FAILED, Copy, Upload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.aws.s3 import Bucket, Part
    from chalicelib.outputs.fetch import Fetched, Fetcher
    from chalicelib.providers.hosts import Hosts
    from chalicelib.store.outputs import Kept, Outputs

MARGIN_SECONDS = 5.0  # at the end of an invocation, for the last requests to S3 and DynamoDB


class Reader(Protocol):
    """A file to copy. `validator` and `length` say whether it is the same later."""

    @property
    def length(self) -> int | None: ...
    @property
    def validator(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    def read(self, size: int = ...) -> bytes: ...


class Owner(NamedTuple):
    """Whose output it is."""

    user_id: str
    generation_id: str
    number: int

    @property
    def key(self) -> str:
        """The object's key. It begins with a hash of the user, so that all objects of a user can
        be found and erased, but does not contain the user's id.
        """
        return f"{user_prefix(self.user_id)}{self.generation_id}/{self.number}"


def user_prefix(user_id: str) -> str:
    """Return the beginning of the keys of a user's objects."""
    return f"{hashlib.sha256(user_id.encode()).hexdigest()[:32]}/"


class Copier:
    """Copies outputs."""

    def __init__(self, bucket: Bucket, outputs: Outputs, fetcher: Fetcher, most: int) -> None:
        self._bucket = bucket
        self._outputs = outputs
        self._fetcher = fetcher
        self._most = most

    def copy(self, owner: Owner, kept: Kept, hosts: Hosts, *, deadline: float) -> Copy:
        """Copy one output from its provider.

        Raises
        ------
        CopyFailed
            The source does not serve the file. What was copied is kept for the next attempt.
        ServiceError
            S3 or DynamoDB failed.
        """
        source, upload = kept.sources[owner.number], kept.uploads.get(owner.number)
        parts = self._whole_parts(upload, deadline) if upload else []
        if upload and parts and sum(part.size for part in parts) == upload.length:
            return self._finish(owner, upload, deadline)  # only the end was missing
        fetched = self._open(source.url, hosts, upload, parts, deadline)
        try:
            if upload and fetched.offset:
                self._send(upload, fetched, len(parts), b"", deadline)
                return self._finish(owner, upload, deadline)
            if upload:
                self._bucket.abort(upload.key, upload.id, deadline=deadline)
            copy = self._upload(owner, source.kind, fetched, deadline, remember=True)
        finally:
            fetched.close()
        self._note(owner, copy, deadline)
        return copy

    def save(
        self, owner: Owner, provider: str, kind: str, file: Reader, *, deadline: float
    ) -> Copy:
        """Store a file that has no address of its own, and that a browser could not load.

        It is for results that a provider sends as bytes (`Bytes`), or serves only with a key
        (`Fetcher.open` with headers). The link of the output leads to the copy as soon as this
        returns. Raises the same errors as `copy`.
        """
        copy = self._upload(owner, kind, file, deadline, remember=False)
        self._outputs.add(owner.generation_id, provider, owner.number, copy, deadline)
        return copy

    def _open(
        self, url: str, hosts: Hosts, upload: Upload | None, parts: list[Part], deadline: float
    ) -> Fetched:
        """Open a source at the first byte that is missing, or anew if it has changed."""
        if upload and parts and upload.validator and upload.length:
            resume = Resume(len(parts) * PART_BYTES, upload.validator, upload.length)
            try:
                return self._fetcher.open(url, hosts, deadline=deadline, resume=resume)
            except CopyFailed as exc:
                if exc.code != "wrong_range":
                    raise
        return self._fetcher.open(url, hosts, deadline=deadline)

    def _upload(
        self, owner: Owner, kind: str, file: Reader, deadline: float, *, remember: bool
    ) -> Copy:
        first = _filled(file, PART_BYTES)
        found = media.recognize(first[: media.HEAD_BYTES], kind, file.content_type)
        if len(first) < PART_BYTES:
            self._bucket.put(owner.key, first, _headers(found), deadline=deadline)
            return Copy(owner.key, found.content_type, len(first), found.width, found.height)
        upload_id = self._bucket.begin(owner.key, _headers(found), deadline=deadline)
        upload = Upload(
            upload_id,
            owner.key,
            found.content_type,
            file.validator,
            file.length or 0,
            found.width,
            found.height,
        )
        if remember:
            self._outputs.begin(owner.generation_id, owner.number, upload)
        self._send(upload, file, 0, first, deadline)
        return self._completed(upload, deadline)

    def _send(self, upload: Upload, file: Reader, done: int, first: bytes, deadline: float) -> None:
        """Send the parts after the first `done`; `first` is the beginning of the next part."""
        number, part = done, first or _filled(file, PART_BYTES)
        while part:
            number += 1
            if number > MAX_PARTS or (number - 1) * PART_BYTES + len(part) > self._most:
                raise CopyFailed("too_large", f"over {self._most} bytes", permanent=True)
            if time.monotonic() + MARGIN_SECONDS > deadline:
                raise CopyFailed("out_of_time", "the time for the copy ran out")
            self._bucket.put_part(upload.key, upload.id, number, part, deadline=deadline)
            part = b""  # its memory is free before the next part is read
            part = _filled(file, PART_BYTES)

    def _finish(self, owner: Owner, upload: Upload, deadline: float) -> Copy:
        copy = self._completed(upload, deadline)
        self._note(owner, copy, deadline)
        return copy

    def _completed(self, upload: Upload, deadline: float) -> Copy:
        try:
            parts = self._bucket.parts(upload.key, upload.id, deadline=deadline)
            if upload.length and sum(part.size for part in parts) != upload.length:
                raise CopyFailed("interrupted", "parts of the copy are missing")
            self._bucket.complete(upload.key, upload.id, parts, deadline=deadline)
            size: int | None = sum(part.size for part in parts)
        except ServiceError as exc:
            if exc.code != NO_SUCH_UPLOAD:
                raise
            # an answer was lost, or another invocation was faster
            size = self._bucket.size(upload.key, deadline=deadline)
            if size is None:
                raise
        return Copy(upload.key, upload.content_type, size or 0, upload.width, upload.height)

    def _note(self, owner: Owner, copy: Copy, deadline: float) -> None:
        try:
            self._outputs.finish(owner.generation_id, owner.number, copy)
        except ServiceError as exc:
            if exc.code == CONDITION_FAILED:  # the user was erased meanwhile
                self._bucket.delete(copy.key, deadline=deadline)
            raise

    def _whole_parts(self, upload: Upload, deadline: float) -> list[Part]:
        """Return the parts that S3 has, up to the first one that is missing."""
        try:
            found = self._bucket.parts(upload.key, upload.id, deadline=deadline)
        except ServiceError as exc:
            if exc.code != NO_SUCH_UPLOAD:
                raise
            return []
        return [part for number, part in enumerate(found, 1) if part.number == number]


class Bytes:
    """A file that is already in memory."""

    validator = ""

    def __init__(self, data: bytes, content_type: str = "") -> None:
        self._data = data
        self._at = 0
        self.length: int | None = len(data)
        self.content_type = content_type

    def read(self, size: int = PIECE_BYTES) -> bytes:
        """Return the next bytes, at most `size`."""
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece


def _filled(file: Reader, size: int) -> bytes:
    """Return the next `size` bytes, or all that are left."""
    part = bytearray()
    while len(part) < size:
        piece = file.read(min(PIECE_BYTES, size - len(part)))
        if not piece:
            break
        part += piece
    return bytes(part)


def _headers(found: media.Media) -> Mapping[str, str]:
    headers = {"content-type": found.content_type, "cache-control": "private, max-age=86400"}
    if not found.is_known:  # a browser must not guess what it is
        headers["content-disposition"] = "attachment"
    return headers
