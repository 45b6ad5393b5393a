"""docs/providers.md agrees with the adapters, and its example is a valid adapter."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from chalicelib.providers import generations, registry
from chalicelib.providers import hmac as hmac_adapter
from chalicelib.providers.delivery import Delivery, Keys, NotAuthentic, Proof
from chalicelib.providers.report import ErrorCode, State
from tests.unit.providers import samples
from tests.unit.providers.samples import FIXTURES, GENERATION, NOW, REQUIRED
from tests.unit.test_docs import DOCUMENTS, blocks, section
from tooling.providers import signing

TEXT = DOCUMENTS["docs/providers.md"]
HOW_TO = section(TEXT, "How to write an adapter")
SCHEMES = {
    "Bearer": "bearer token",
    "Capability": "capability",
    "ConfiguredHmac": "HMAC",
    "FourLineEd25519": "Ed25519",
    "SignatureAndCapability": "HMAC or capability",
    "StandardWebhooks": "Standard Webhooks",
    "WaveSpeedSignature": "HMAC",
}
UNPROVEN = {"wavespeed": {"HMAC"}}  # schemes that the documentation's own example contradicts


def listed(cell: str) -> set[str]:
    return {word for word in cell.split(", ") if word}


def rows() -> dict[str, list[str]]:
    lines = [line for line in section(TEXT, "Providers").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_the_table_lists_every_provider() -> None:
    assert list(rows()) == sorted(registry.NAMES)


@pytest.mark.parametrize("provider", sorted(registry.NAMES))
def test_the_table_says_how_a_provider_is_authenticated_and_what_it_reports(provider: str) -> None:
    adapter = registry.adapter(provider)
    assert adapter is not None
    _, proof, reports, _, experimental = rows()[provider]
    schemes = [SCHEMES[type(verifier).__name__] for verifier in adapter.verifiers]
    without = "look-ups" if adapter.polling else "IAM"
    assert proof == (", else ".join(schemes) or without)
    assert listed(reports) == REQUIRED[provider] - samples.COMMON
    from_memory = {f.event for f in FIXTURES if f.provider == provider and f.trust == "M"}
    assert listed(experimental) == from_memory | UNPROVEN.get(provider, set())


@pytest.fixture(scope="module")
def acme() -> Any:
    """The example, as a module."""
    module = ModuleType("acme")
    exec(blocks(HOW_TO, "python")[0], vars(module))  # noqa: S102 - the document's own code
    return module


@pytest.mark.parametrize("fixture", json.loads(blocks(HOW_TO, "json")[0]), ids=lambda f: f["name"])
def test_the_example_reads_its_fixtures(acme: Any, fixture: dict[str, Any]) -> None:
    delivery = Delivery("acme", GENERATION, None, {}, b"")
    samples.assert_read(acme.ADAPTER.interpret(fixture["body"], delivery), fixture["reports"])
    assert samples.EVENTS[fixture["name"].partition(":")[0]](fixture["reports"])
    assert fixture["trust"] in samples.TRUST


def test_the_example_accepts_what_its_signer_signs(acme: Any) -> None:
    names = vars(signing).copy()
    code = "from __future__ import annotations\n" + blocks(HOW_TO, "python")[1]
    exec(code, names)  # noqa: S102 - the document's own code
    headers, _ = names["acme"](b"{}", {"secret": "s"}, "acme", GENERATION, "d", int(NOW))
    delivery = Delivery("acme", GENERATION, None, headers, b"{}")
    keys = Keys(secrets=("s",))
    assert acme.ADAPTER.authenticate(delivery, keys, NOW) == Proof(None)
    with pytest.raises(NotAuthentic):
        acme.ADAPTER.authenticate(delivery._replace(body=b"{ }"), keys, NOW)


def test_the_examples_of_heralds_own_payload_are_read() -> None:
    complete, running, failed, _ = map(json.loads, blocks(section(TEXT, "Providers"), "json"))
    delivery = Delivery("generations", None, None, {}, b"")
    found = []
    for body in (complete, running, failed):
        reports = generations.interpret(body, delivery)
        generations.check(body, reports)
        found += reports
    states = [report.state for report in found]
    assert states == [State.SUCCEEDED, State.RUNNING, State.FAILED]
    assert [len(report.outputs) for report in found] == [2, 0, 0]
    assert found[2].failure is not None
    assert found[2].failure.code is ErrorCode.OUT_OF_CAPACITY


def test_the_codes_of_an_error_are_all_listed() -> None:
    for code in ErrorCode:
        assert f"`{code.value}`" in section(TEXT, "Providers")


def test_the_example_of_a_service_without_an_adapter_is_read() -> None:
    options = json.loads(blocks(section(TEXT, "Providers"), "json")[3])
    task = {"id": "t1", "state": "RENDERED", "files": ["https://acme.example/1.png"]}
    body = {"task": task}
    delivery = samples.delivery("hmac", json.dumps(body).encode())._replace(options=options)
    hmac_adapter.ADAPTER.authenticate(delivery, samples.keys("hmac"), NOW)
    (report,) = hmac_adapter.interpret(body, delivery)
    assert samples.seen(report) == {
        "state": "succeeded",
        "provider_id": "t1",
        "urls": ["https://acme.example/1.png"],
        "kinds": ["image"],
    }
