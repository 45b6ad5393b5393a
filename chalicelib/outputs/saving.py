"""Stores files that a look-up found and that have no URL for a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from chalicelib import telemetry
from chalicelib.errors import CopyFailed
from chalicelib.outputs.copying import Bytes, Owner
from chalicelib.providers import registry
from chalicelib.providers.hosts import Hosts
from chalicelib.providers.report import Output

if TYPE_CHECKING:
    from chalicelib.outputs.copying import Copier, Reader
    from chalicelib.outputs.fetch import Fetcher
    from chalicelib.providers.report import Call, File
    from chalicelib.store.links import Links
    from chalicelib.store.outputs import Copy, Outputs


class Row(Protocol):
    """The generation that a file belongs to."""

    @property
    def id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def provider(self) -> str: ...


class Saver:
    """Stores bytes, and files that the provider serves only with our key."""

    def __init__(self, copier: Copier, fetcher: Fetcher, links: Links, outputs: Outputs) -> None:
        self._copier = copier
        self._fetcher = fetcher
        self._links = links
        self._outputs = outputs

    def keep(self, row: Row, number: int, file: File, *, deadline: float) -> Output | None:
        """Store a file as a generation's output with that number, and return the output.

        None means that the file can never be stored, for example because it is too large.

        Raises
        ------
        CopyFailed, ServiceError, SettingError
            The file was not stored. Another try may succeed.
        """
        owner = Owner(row.user_id, row.id, number)
        try:
            if file.call is None:
                reader = Bytes(file.content or b"", file.content_type or "")
                copy = self._saved(owner, row.provider, file, reader, deadline)
            else:
                copy = self._fetched(owner, row.provider, file, file.call, deadline)
        except CopyFailed as exc:
            if not exc.permanent:
                raise
            telemetry.warning("file not kept", generation_id=row.id, error=str(exc))
            return None
        return Output(
            self._links.url(row.id, number),
            file.kind,
            copy.content_type,
            copy.width or file.width,
            copy.height or file.height,
            bytes=copy.bytes,
            expires_at=self._outputs.expires_at(),
        )

    def _fetched(
        self, owner: Owner, provider: str, file: File, call: Call, deadline: float
    ) -> Copy:
        """Fetch a file with our key. After a redirect to another host, the key is not sent."""
        fetched = self._fetcher.open(
            call.url, _hosts(provider, call), deadline=deadline, headers=dict(call.headers)
        )
        try:
            return self._saved(owner, provider, file, fetched, deadline)
        finally:
            fetched.close()

    def _saved(
        self, owner: Owner, provider: str, file: File, reader: Reader, deadline: float
    ) -> Copy:
        return self._copier.save(owner, provider, file.kind.value, reader, deadline=deadline)


def _hosts(provider: str, call: Call) -> Hosts:
    """Return the host of the provider's API and the hosts of its files.

    The address of an API comes from an adapter or a setting, never from an answer. Only a stand-in
    on the local stack has an http address.
    """
    parts = urlsplit(call.url)
    if parts.scheme == "http":
        return Hosts((), (parts.netloc,))
    adapter = registry.adapter(provider)
    return Hosts((parts.hostname or "", *(adapter.output_hosts if adapter else ())))
