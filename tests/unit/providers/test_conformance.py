"""Every adapter passes the same tests."""

from __future__ import annotations

import contextlib
import copy
import inspect
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import Refused
from chalicelib.providers import registry
from chalicelib.providers.delivery import Delivery, Keys, NotAuthentic, Reason
from tests.unit.providers import samples
from tests.unit.providers.samples import FIXTURES, NOW, Fixture

if TYPE_CHECKING:
    from collections.abc import Iterator


PROVIDERS = sorted(registry.NAMES)
WITHOUT = {"runway", "sagemaker", "stability"}  # no webhooks over HTTP
OVER_HTTP = [provider for provider in PROVIDERS if provider not in WITHOUT]
BODY = b'{"id": "1"}'


def adapter(provider: str) -> Any:
    found = registry.adapter(provider)
    assert found is not None
    return found


def refused(delivery: Delivery, **changes: Any) -> Reason:
    keys = samples.keys(delivery.provider)._replace(**changes)
    with pytest.raises(NotAuthentic) as refusal:
        adapter(delivery.provider).authenticate(delivery, keys, NOW)
    return refusal.value.reason


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda f: f"{f.provider}: {f.name}")
def test_a_recorded_payload_is_read_as_expected(fixture: Fixture) -> None:
    body = json.dumps(fixture.body).encode()
    delivery = Delivery(fixture.provider, None, None, {}, body, fixture.options)
    found = adapter(fixture.provider).interpret(fixture.body, delivery)
    samples.assert_read(found, fixture.reports)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda f: f"{f.provider}: {f.name}")
def test_a_fixture_says_where_its_shape_comes_from(fixture: Fixture) -> None:
    assert fixture.source
    assert fixture.trust in samples.TRUST


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda f: f"{f.provider}: {f.name}")
def test_a_fixture_is_the_event_that_its_name_says(fixture: Fixture) -> None:
    assert samples.EVENTS[fixture.event](fixture.reports)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda f: f"{f.provider}: {f.name}")
def test_only_errors_that_the_sender_can_correct_are_refused(fixture: Fixture) -> None:
    found = adapter(fixture.provider)
    check = found.check or (lambda _body, _reports: None)
    delivery = Delivery(fixture.provider, None, None, {}, b"", fixture.options)
    reports = found.interpret(fixture.body, delivery)
    if fixture.refused is None:
        check(fixture.body, reports)
        return
    with pytest.raises(Refused) as refusal:
        check(fixture.body, reports)
    assert (refusal.value.status, refusal.value.field) == (422, fixture.refused)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_event_of_a_provider_is_among_the_fixtures(provider: str) -> None:
    missing = samples.REQUIRED[provider] - {f.event for f in FIXTURES if f.provider == provider}
    assert not missing


@pytest.mark.parametrize("provider", OVER_HTTP)
def test_an_authentic_delivery_is_proven(provider: str) -> None:
    adapter(provider).authenticate(samples.delivery(provider, BODY), samples.keys(provider), NOW)


@pytest.mark.parametrize("provider", OVER_HTTP)
def test_a_delivery_without_its_header_or_token_is_refused(provider: str) -> None:
    delivery = samples.delivery(provider, BODY)
    for name in delivery.headers:
        headers = {header: v for header, v in delivery.headers.items() if header != name}
        assert refused(delivery._replace(headers=headers)) is Reason.MISSING_HEADER
    if delivery.token is not None:
        for token in (None, "", delivery.token[:-1], delivery.token + "A", "\ud800"):
            assert refused(delivery._replace(token=token)) is Reason.CAPABILITY
        elsewhere = delivery._replace(generation_id="another generation")
        assert refused(elsewhere) is Reason.CAPABILITY


@pytest.mark.parametrize("provider", OVER_HTTP)
def test_a_changed_body_is_refused_where_bodies_are_signed(provider: str) -> None:
    delivery = samples.delivery(provider, BODY)
    if provider != "leonardo" and delivery.token is None:  # these providers do not sign the body
        assert refused(delivery._replace(body=BODY + b" ")) is Reason.SIGNATURE


@pytest.mark.parametrize("provider", OVER_HTTP)
def test_an_old_or_early_delivery_is_refused_where_time_is_signed(provider: str) -> None:
    if any("timestamp" in name for name in samples.delivery(provider, BODY).headers):
        assert refused(samples.delivery(provider, BODY, now=NOW - 301)) is Reason.LATE
        assert refused(samples.delivery(provider, BODY, now=NOW + 301)) is Reason.EARLY
        for edge in (NOW - 300, NOW + 300):
            keys = samples.keys(provider)
            adapter(provider).authenticate(samples.delivery(provider, BODY, now=edge), keys, NOW)


@pytest.mark.parametrize("provider", OVER_HTTP)
def test_both_keys_are_valid_during_a_rotation(provider: str) -> None:
    keys = samples.keys(provider)
    other = "whsec_" + "QUJD" * 8
    both = keys._replace(
        secrets=(other, *keys.secrets) if keys.secrets else (),
        token_keys=("another", *keys.token_keys) if keys.token_keys else (),
    )
    adapter(provider).authenticate(samples.delivery(provider, BODY), both, NOW)


@pytest.mark.parametrize("provider", OVER_HTTP)
def test_a_provider_without_keys_is_not_configured(provider: str) -> None:
    assert not adapter(provider).is_configured(Keys())
    with pytest.raises(LookupError):
        adapter(provider).authenticate(samples.delivery(provider, BODY), Keys(), NOW)
    assert adapter(provider).is_configured(samples.keys(provider))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        [
            "\ud800",
            "https://example.com/\0",
            "https://[",
            "HTTP://example.com",
            "https://example.com/a.png",
        ]
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every object and array in a JSON value, with each of its names or indexes."""
    for name in value if isinstance(value, dict) else range(len(value)):
        yield value, name
        if isinstance(value[name], dict | list):
            yield from places(value[name])


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=30)
@given(data=st.data())
def test_no_payload_breaks_an_adapter(provider: str, data: st.DataObject) -> None:
    """Replaces any value of a recorded payload with any JSON."""
    own = [fixture for fixture in FIXTURES if fixture.provider == provider]
    fixture = data.draw(st.sampled_from(own))
    body = copy.deepcopy(fixture.body)
    target, name = data.draw(st.sampled_from(list(places(body))))
    target[name] = data.draw(JSON)
    delivery = Delivery(provider, samples.GENERATION, None, {}, b"", fixture.options)
    for report in adapter(provider).interpret(body, delivery):
        without = report._replace(files=())  # files may have bytes
        json.dumps(without, ensure_ascii=False).encode()  # no half of a surrogate pair
        assert "\\u0000" not in json.dumps(without)
        assert bool(report.outputs or report.files) == (report.state.value == "succeeded")
        assert (report.failure is not None) == (report.state.value in ("failed", "canceled"))
        for output in report.outputs:
            assert output.url.lower().startswith(("https://", "http://"))


@pytest.mark.parametrize("provider", OVER_HTTP)
@settings(max_examples=30)
@given(data=st.data())
def test_no_header_breaks_a_verifier(provider: str, data: st.DataObject) -> None:
    delivery = samples.delivery(provider, BODY)
    headers = {name: data.draw(st.text() | st.just(v)) for name, v in delivery.headers.items()}
    token = data.draw(st.none() | st.text())
    changed = delivery._replace(headers=headers, token=token)
    if headers != delivery.headers or token != delivery.token:
        with contextlib.suppress(NotAuthentic):  # any other error fails
            adapter(provider).authenticate(changed, samples.keys(provider), NOW)


def test_an_adapter_is_short_and_needs_no_other() -> None:
    """Lambda imports only the adapter of the provider in the path. No adapter imports another."""
    modules = {name: import_module(f"chalicelib.providers.{name}") for name in PROVIDERS}
    others = {module.__name__ for module in modules.values()}
    for module in (registry, *modules.values()):
        homes = {getattr(value, "__module__", None) for value in vars(module).values()}
        homes |= {getattr(value, "__name__", None) for value in vars(module).values()}
        assert not homes & (others - {module.__name__})
        assert inspect.getsource(module).count("\n") < 200


def test_an_unknown_provider_has_no_adapter() -> None:
    for name in ("", "nobody", "../fal", "verifiers", "Replicate"):
        assert registry.adapter(name) is None
