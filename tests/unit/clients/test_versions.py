"""The versions of the server and the clients that work together: docs/protocol.md#versions."""

from __future__ import annotations

import json
import re
import tomllib

import herald_client
from chalicelib.protocol.server_frames import SUBPROTOCOL
from herald_client.transport import PROTOCOL
from tooling import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text()


def test_both_clients_offer_the_protocol_that_the_server_speaks() -> None:
    code = (ROOT / "clients" / "js" / "connection.js").read_text()
    offered = re.findall(r'\["(herald\.v\d+)", `bearer', code)
    assert [*offered, PROTOCOL] == [SUBPROTOCOL] * 2


def test_the_documented_versions_are_those_of_the_packages() -> None:
    server = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    package = json.loads((ROOT / "clients" / "js" / "package.json").read_text())
    versions = (server, package["version"], herald_client.__version__)
    cells = [SUBPROTOCOL, *(version.rpartition(".")[0] for version in versions)]
    shown = re.findall(r"(?m)^\| `(herald\.v\d+)` \| (\S+) \| (\S+) \| (\S+) \|$", PAGE)
    assert tuple(cells) in shown


def test_the_contracts_name_the_protocol() -> None:
    for folder in ("contracts", "contracts/released"):
        text = (ROOT / folder / "asyncapi.yaml").read_text()
        assert f"title: 'Herald: {SUBPROTOCOL}'" in text
