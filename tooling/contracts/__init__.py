"""The published contracts in contracts/, which `make contracts` generates from the server's code.

asyncapi.yaml describes the WebSocket protocol, openapi.yaml the HTTP interface, and the JSON
Schemas describe an event and a row of `generations`. docs/reference.md shows the same to people.
"""

from __future__ import annotations

from typing import Any

from tooling import ROOT

CONTRACTS = ROOT / "contracts"
REFERENCE = ROOT / "docs" / "reference.md"

Schema = dict[str, Any]  # a JSON Schema, or another part of a contract
