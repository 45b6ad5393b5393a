"""Look-ups at every provider that can be asked: recorded answers, and any other answer."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import LookupFailed
from chalicelib.providers import kling, polling, registry
from chalicelib.providers.polling import Answer, Api, Job
from tests.unit.providers import samples
from tests.unit.providers.test_conformance import JSON, places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.providers.polling import Polling
    from chalicelib.providers.report import Call, Report

FOLDER = Path(__file__).parent / "polled"
PROVIDERS = sorted(name for name in registry.NAMES if registry.adapter(name).polling)  # type: ignore[union-attr]
KEY = "the-key"
SECRET = "s" * 32
NOW = 1_795_600_000.0


class Exchange(NamedTuple):
    """One request that a look-up makes, and the provider's answer."""

    method: str
    url: str
    status: int
    body: object = None
    text: str | None = None
    retry_after: float | None = None

    @property
    def answer(self) -> Answer:
        body = json.dumps(self.body) if self.text is None else self.text
        return Answer(self.status, body.encode(), self.retry_after)


class Lookup(NamedTuple):
    """A look-up: the job, the answers in order, and its reports; None means that it is retried."""

    provider: str
    name: str
    trust: str
    source: str
    job: list[str]
    answers: list[Any]
    reports: list[dict[str, Any]] | None
    options: Mapping[str, object] = {}

    @property
    def exchanges(self) -> list[Exchange]:
        return [Exchange(**answer) for answer in self.answers]


LOOKUPS = [
    Lookup(provider, **entry)
    for provider in PROVIDERS
    for entry in json.loads((FOLDER / f"{provider}.json").read_text())
]
EACH = pytest.mark.parametrize("lookup", LOOKUPS, ids=lambda each: f"{each.provider}: {each.name}")


def how(provider: str) -> Polling:
    found = registry.adapter(provider)
    assert found is not None
    assert found.polling is not None
    return found.polling


def api(provider: str, send: Callable[[Call], Answer], options: Mapping[str, object] = {}) -> Api:
    own = how(provider)
    return Api(send, own.url, own.authorize(KEY, NOW), options)


def poll(lookup: Lookup, send: Callable[[Call], Answer]) -> list[Report]:
    asked = api(lookup.provider, send, lookup.options)
    return list(how(lookup.provider).poll(Job(*lookup.job), asked))


@EACH
def test_a_recorded_answer_is_read_as_expected(lookup: Lookup) -> None:
    left = lookup.exchanges

    def send(call: Call) -> Answer:
        exchange = left.pop(0)
        assert (call.method, call.url) == (exchange.method, exchange.url)
        assert any(KEY in value for _, value in call.headers)
        return exchange.answer

    if lookup.reports is None:
        with pytest.raises(LookupFailed) as failure:
            poll(lookup, send)
        last = lookup.exchanges[-1] if lookup.exchanges else None
        assert failure.value.status == (last.status if last else 0)
        assert failure.value.retry_after == (last.retry_after if last else None)
    else:
        samples.assert_read(poll(lookup, send), lookup.reports)
    assert not left, "an answer was not asked for"


@EACH
def test_a_recorded_answer_says_where_its_shape_comes_from(lookup: Lookup) -> None:
    assert lookup.source
    assert lookup.trust in samples.TRUST


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_kind_of_answer_is_recorded(provider: str) -> None:
    kinds = {each.name.partition(":")[0] for each in LOOKUPS if each.provider == provider}
    assert {"success", "intermediate", "unknown", "retry"} <= kinds
    assert kinds & {"failure", "moderation"}


STATUSES = st.sampled_from(
    [0, 200, 200, 200, 202, 204, 301, 400, 401, 403, 404, 410, 422, 429, 500]
)
BODIES = st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=25)
@given(data=st.data())
def test_no_answer_makes_anything_but_reports_nothing_or_a_retry(
    provider: str, data: st.DataObject
) -> None:
    """Replaces a whole answer, or any value in it, with anything."""
    lookup = data.draw(st.sampled_from([each for each in LOOKUPS if each.provider == provider]))
    exchanges = iter(lookup.exchanges)

    def send(call: Call) -> Answer:
        if data.draw(st.booleans()):
            return Answer(data.draw(STATUSES), data.draw(BODIES))
        found = next(exchanges, None)
        if found is None:
            return Answer(200, b"{}")
        body = copy.deepcopy(found.body)
        if isinstance(body, dict) and body:
            target, name = data.draw(st.sampled_from(list(places(body))))
            target[name] = data.draw(JSON)
        answer: Answer = found._replace(body=body).answer
        return answer

    try:
        reports = poll(lookup, send)
    except LookupFailed:
        return
    for report in reports:
        without = report._replace(files=())  # files may have bytes
        json.dumps(without, ensure_ascii=False).encode()
        assert bool(report.outputs or report.files) == (report.state.value == "succeeded")
        assert (report.failure is not None) == (report.state.value in ("failed", "canceled"))


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [0, 401, 403, 404, 410, 429, 500, 503])
def test_a_provider_that_refuses_or_does_not_know_an_id_ends_nothing(
    provider: str, status: int
) -> None:
    lookup = next(each for each in LOOKUPS if each.provider == provider)
    with pytest.raises(LookupFailed) as failure:
        poll(lookup, lambda call: Answer(status, b"{}", 7.0))
    assert (failure.value.status, failure.value.retry_after) == (status, 7.0)


CANCELS = {
    "fal": ("PUT", "https://queue.fal.run/fal-ai/flux/requests/j1/cancel", "fal-ai/flux/dev"),
    "luma": ("DELETE", "https://api.lumalabs.ai/dream-machine/v1/generations/j1", None),
    "replicate": ("POST", "https://api.replicate.com/v1/predictions/j1/cancel", None),
    "runpod": ("POST", "https://api.runpod.ai/v2/ep1/cancel/j1", "ep1"),
    "runway": ("DELETE", "https://api.dev.runwayml.com/v1/tasks/j1", None),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_job_is_canceled_where_the_provider_can(provider: str) -> None:
    cancel = how(provider).cancel
    if provider not in CANCELS:
        assert cancel is None
        return
    method, url, model = CANCELS[provider]
    sent: list[Call] = []

    def send(call: Call) -> Answer:
        sent.append(call)
        return Answer(202)

    assert cancel is not None
    cancel(Job("j1", model), api(provider, send))
    [call] = sent
    assert (call.method, call.url) == (method, url)
    with pytest.raises(LookupFailed):
        cancel(Job("j1", model), api(provider, lambda _: Answer(404)))


def test_klings_key_pair_signs_a_token() -> None:
    import jwt

    name, value = kling.authorize(f"access:{SECRET}", NOW)
    claims = jwt.decode(
        value.removeprefix("Bearer "),
        SECRET,
        algorithms=["HS256"],
        options={"verify_exp": False, "verify_nbf": False},
    )
    assert name == "Authorization"
    assert claims == {"iss": "access", "exp": int(NOW) + 1800, "nbf": int(NOW) - 5}
    assert kling.authorize("one-key", NOW) == ("Authorization", "Bearer one-key")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("batch_5/8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38", ("batch_5", samples.GENERATION)),
        ("batches/b-1/8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38", ("batches/b-1", samples.GENERATION)),
        ("models/veo/operations/op-9f", ("models/veo/operations/op-9f", None)),
        (samples.GENERATION, (samples.GENERATION, None)),
    ],
)
def test_a_row_names_its_request_of_a_batch(value: str, parts: tuple[str, str | None]) -> None:
    assert polling.batch_member(value) == parts


@pytest.mark.parametrize("key", ["", "a b", "a\r\nHost: evil", "é"])
def test_a_key_that_would_break_a_header_is_refused(key: str) -> None:
    assert not polling.is_key(key)
