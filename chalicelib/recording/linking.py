"""Replaces the providers' addresses of a result by stable links, before the result is recorded.

The addresses go into the table of outputs, from where `keep` copies the files. If the
transaction then fails, this is harmless. If the addresses cannot be stored, the event contains them
unchanged, so a failure here never loses a result.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib import metrics, telemetry
from chalicelib.errors import ServiceError, SettingError
from chalicelib.recording.webhooks import OWN
from chalicelib.store.outputs import MAX_SOURCES_BYTES, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.protocol.event_types import Output
    from chalicelib.providers.hosts import Hosts
    from chalicelib.providers.report import Report
    from chalicelib.recording.columns import Result
    from chalicelib.store.links import Links
    from chalicelib.store.output_hosts import OutputHosts
    from chalicelib.store.outputs import Outputs

REGISTER_SECONDS = 1.5  # at most, of the time that the provider waits


class Linking:
    """Makes links for results."""

    def __init__(self, links: Links, outputs: Outputs, hosts: OutputHosts) -> None:
        self._links = links
        self._outputs = outputs
        self._hosts = hosts

    def report(self, report: Report, provider: str | None, generation_id: str) -> Report:
        """Return a report whose outputs have links."""
        sources = [
            Source(output.url, output.kind.value, _epoch(output.expires_at))
            for output in report.outputs
        ]
        found = self._links_of(generation_id, provider or OWN, sources)
        expires_at = self._outputs.expires_at() if found else None
        return report._replace(
            outputs=tuple(
                output._replace(url=found[number], expires_at=expires_at)
                if number in found
                else output
                for number, output in enumerate(report.outputs)
            )
        )

    def result(self, result: Result, provider: str | None, generation_id: str) -> Result:
        """Return a result that waited for its generation, with links."""
        outputs = result.outputs or []
        sources = [
            Source(output["url"], output["kind"], _epoch(output["expiresAt"])) for output in outputs
        ]
        found = self._links_of(generation_id, provider or OWN, sources)
        expires_at = self._outputs.expires_at() if found else None
        linked: list[Output] = [
            {**output, "url": found[number], "expiresAt": expires_at} if number in found else output
            for number, output in enumerate(outputs)
        ]
        changed = {
            before["url"]: after["url"] for before, after in zip(outputs, linked, strict=True)
        }
        url = result.image_url
        return result._replace(
            image_url=url and changed.get(url, url), outputs=linked or result.outputs
        )

    def _links_of(
        self, generation_id: str, provider: str, sources: Sequence[Source]
    ) -> dict[int, str]:
        """Store the sources that can be kept, and return their links by number."""
        if not sources or all(self._links.made(source.url) for source in sources):
            return {}
        links: dict[int, str] = {}
        try:
            wanted = _allowed(sources, self._hosts.of(provider))
            links = {
                number: self._links.url(generation_id, number)
                for number, source in enumerate(wanted)
                if source is not None
            }
            if links:
                deadline = time.monotonic() + REGISTER_SECONDS
                self._outputs.register(generation_id, provider, wanted, deadline)
        except (ServiceError, SettingError) as exc:
            links = {}
            telemetry.error("outputs not linked", generation_id=generation_id, error=str(exc))
        if passed_on := len(sources) - len(links):
            telemetry.emit({metrics.OUTPUTS_PASSED_ON: passed_on}, generation_id=generation_id)
        return links


def _allowed(sources: Sequence[Source], hosts: Hosts) -> list[Source | None]:
    """Return the sources that may be copied, as many as fit into an item."""
    found: list[Source | None] = []
    size = 0
    for source in sources:
        size += len(source.url)
        fits = size <= MAX_SOURCES_BYTES and hosts.read(source.url) is not None
        found.append(source if fits else None)
    return found


def _epoch(text: str | None) -> int:
    """Return an RFC 3339 time in epoch seconds; 0 if it is unknown or not one."""
    try:
        return int(datetime.fromisoformat(text).timestamp()) if text else 0
    except (ValueError, OverflowError):
        return 0
