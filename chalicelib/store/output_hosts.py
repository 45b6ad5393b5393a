"""The hosts that each provider's outputs may come from: the adapter's, and the operator's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import registry
from chalicelib.providers.hosts import Hosts

if TYPE_CHECKING:
    from chalicelib.store.links import Configured, Links


class OutputHosts:
    """The lists of all providers.

    Parameters
    ----------
    links
        Reads the secret with the operator's hosts.
    private
        Hosts of the local stack, separated by commas; empty on AWS.
    """

    def __init__(self, links: Links, private: str = "") -> None:
        self._links = links
        self._private = tuple(entry.strip() for entry in private.split(",") if entry.strip())
        self._configured: Configured | None = None
        self._hosts: dict[str, Hosts] = {}  # of this configuration, by provider

    def of(self, provider: str) -> Hosts:
        """Return the hosts of one provider; raises SettingError and ServiceError."""
        configured = self._links.configured()
        if configured is not self._configured:
            self._configured, self._hosts = configured, {}
        hosts = self._hosts.get(provider)
        if hosts is None:
            adapter = registry.adapter(provider)
            built_in = adapter.output_hosts if adapter else ()
            hosts = Hosts((*built_in, *configured.hosts.get(provider, ())), self._private)
            self._hosts[provider] = hosts
        return hosts
