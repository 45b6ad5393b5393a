"""The HTTP contract matches the front door: its addresses, proofs and payloads."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from chalicelib.errors import Refused
from chalicelib.providers import generations
from chalicelib.providers.delivery import Delivery
from chalicelib.providers.registry import NAMES
from chalicelib.providers.verifiers import capability
from tests import contracts
from tests.unit.providers import samples
from tests.unit.providers.samples import FIXTURES, GENERATION, SIGNING_KEYS
from tests.unit.recording import door as front
from tests.unit.recording.test_webhooks import SUCCESS
from tooling.contracts import links
from tooling.contracts.doors import PATHS, Door, doors
from tooling.providers import keys, signing

if TYPE_CHECKING:
    from collections.abc import Iterator

API = Path(__file__).parents[4] / "infra" / "modules" / "callback_api" / "main.tf"
DOORS = [(name, door) for name in sorted(NAMES) for door in doors(name)]
OWN = [fixture for fixture in FIXTURES if fixture.provider == "generations"]
SCHEMAS = contracts.contracts()["openapi.yaml"]["components"]["schemas"]
URL = "https://images.example/1.png"
REPORTS: dict[str, dict[str, Any]] = {
    "RunningReport": {"generationId": GENERATION, "status": "PENDING"},
    "CompleteReport": {"generationId": GENERATION, "status": "COMPLETE", "imageUrl": URL},
    "ErrorReport": {"generationId": GENERATION, "status": "ERROR"},
}


def test_the_paths_are_the_routes_of_the_api() -> None:
    routes = re.findall(r'(?m)^ +(\w+) += "(/\{provider\}[^"]*)"', API.read_text())
    assert {name: f"/callbacks{path}" for name, path in routes} == PATHS
    others = re.findall(r'"GET \$\{[\w.]+\}([^"]*)"', API.read_text())
    assert [path for path in others if f"/outputs{path}" != links.PATH] == []


# --- proofs ---


def read(provider: str, door: Door, *, without: str | None = None) -> tuple[int, str | None]:
    """Send a signed webhook to an address; return the number of reports and the generation."""
    own = dict(SIGNING_KEYS[provider])
    if not door.headers:
        own = {"token_key": samples.TOKEN_KEY}
    elif provider == "hmac":
        own["header"] = door.headers[0]
    body, now = SUCCESS[provider], time.time()
    signed = signing.sign(
        provider, body, own, generation_id=GENERATION, delivery_id="delivery-1", now=now
    )
    sent = {name.lower(): value for name, value in signed.headers.items()}
    headers = {name: sent[name] for name in door.headers if name != without}
    path = {"provider": provider}
    if door.address != "account":
        path["generation"] = GENERATION
    if door.address == "capability":
        path["token"] = capability(samples.TOKEN_KEY, provider, GENERATION)
    entry: Any = keys.entry(own)
    if "account" in entry:
        entry["jwks"] = samples.JWKS
    received = front.receive(front.event(body, headers, path), front.secret(**{provider: entry}))
    return len(received.reports), received.generation_id


@pytest.mark.parametrize(("provider", "door"), DOORS, ids=str)
def test_a_webhook_with_the_listed_proof_is_accepted_at_the_address(
    provider: str, door: Door
) -> None:
    assert read(provider, door) == (1, None if door.address == "account" else GENERATION)


@pytest.mark.parametrize(
    ("provider", "door", "header"),
    [(name, door, header) for name, door in DOORS for header in door.headers],
    ids=str,
)
def test_a_webhook_without_a_listed_header_is_refused(
    provider: str, door: Door, header: str
) -> None:
    with pytest.raises(Refused) as refused:
        read(provider, door, without=header)
    answer = {"error": refused.value.code, "message": str(refused.value)}
    assert refused.value.status == 401
    assert contracts.answer_error(401, answer) is None


# --- Herald's own payload ---


def allowed(body: dict[str, Any]) -> bool:
    """Whether the contract allows a payload."""
    return Draft202012Validator(
        {"$ref": "#/components/schemas/OwnReport", "components": {"schemas": SCHEMAS}}
    ).is_valid(body)


def problem(body: dict[str, Any]) -> str | None:
    """Return the field that Herald refuses or repairs in a payload, or None."""
    delivery = Delivery("generations", None, None, {}, json.dumps(body).encode())
    reports = generations.interpret(body, delivery)
    try:
        generations.check(body, reports)
    except Refused as refused:
        return refused.field
    return next(iter(reports[0].repaired), None)


@pytest.mark.parametrize("fixture", OWN, ids=lambda fixture: fixture.name)
def test_the_contract_allows_what_is_recorded_as_sent_and_not_what_is_refused(
    fixture: samples.Fixture,
) -> None:
    if fixture.refused or problem(fixture.body) is None:
        assert allowed(fixture.body) is (fixture.refused is None)


def edges(schema: dict[str, Any]) -> Iterator[tuple[object, bool]]:
    """Yield values at and beyond the limits of a field, and whether they are allowed."""
    if "null" in schema.get("type", ()):
        yield None, True
    step = 0.5 if "number" in schema.get("type", ()) else 1
    for limit, beyond in (("minimum", -step), ("maximum", step)):
        if limit in schema:
            yield schema[limit], True
            yield schema[limit] + beyond, False
    if "maxLength" in schema:
        text = (URL if "pattern" in schema else "").ljust(schema["maxLength"], "x")
        yield text, True
        yield text + "x", False
    if "pattern" in schema:
        yield "ftp://images.example/1.png", False


FIELDS = [
    (report, name, value, is_allowed)
    for report in REPORTS
    for name, schema in SCHEMAS[report]["properties"].items()
    for value, is_allowed in edges(schema)
]


@pytest.mark.parametrize(("report", "name", "value", "is_allowed"), FIELDS)
def test_the_limits_of_a_field_are_those_of_the_adapter(
    report: str, name: str, value: object, is_allowed: bool
) -> None:
    body = {**REPORTS[report], name: value}
    assert (allowed(body), problem(body)) == (is_allowed, None if is_allowed else name)


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("name", ["generationId", "status"])
def test_a_payload_without_a_required_field_is_refused(report: str, name: str) -> None:
    body = {field: value for field, value in REPORTS[report].items() if field != name}
    assert (allowed(body), problem(body)) == (False, name)
