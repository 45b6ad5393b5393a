"""The sample payloads: each is read as the state that it is a sample of."""

import json

import pytest

from chalicelib.providers import registry
from chalicelib.providers.delivery import Delivery
from chalicelib.providers.report import Progress
from tests.unit.providers.samples import GENERATION
from tooling.providers.samples import Job, State, sample, states

URLS = ("https://images.example/1.png", "https://images.example/2.png")
JOB = Job(GENERATION, "p1", URLS, progress=0.25)
OUTPUTS = {
    "bfl": URLS[:1],
    "luma": URLS[:1],
    "sagemaker": ("https://s3.eu-central-1.amazonaws.com/bucket/1.png",),
}
# the fraction and the step, of the providers that report either
PROGRESS = {
    "comfydeploy": (0.25, "step 14/28"),
    "generations": (0.25, "step 14/28"),
    "hmac": (0.25, None),
    "replicate": (None, "step 14/28"),
}
EACH = [(provider, state) for provider in sorted(registry.NAMES) for state in states(provider)]


@pytest.mark.parametrize(("provider", "state"), EACH)
def test_a_sample_is_read_as_its_state(provider: str, state: State) -> None:
    adapter = registry.adapter(provider)
    assert adapter is not None
    body = json.loads(sample(provider, state, JOB) or b"")
    [report] = adapter.interpret(body, Delivery(provider, None, None, {}, b"", {}))
    if report.thin:  # the provider's API says what has happened
        assert report.provider_id == "p1"
        return
    failed = "failed" if state == "moderated" else state
    assert report.state.value == failed
    assert (report.failure is not None) == (state in ("failed", "moderated", "canceled"))
    if report.failure is not None and state == "moderated":
        assert report.failure.code.value == "moderated"
    urls = tuple(output.url for output in report.outputs)
    assert urls == (OUTPUTS.get(provider, URLS) if state == "succeeded" else ())
    if state == "running":
        known = Progress(*PROGRESS[provider]) if provider in PROGRESS else None
        assert report.progress == known
    if provider not in ("generations", "sagemaker"):
        assert report.provider_id == "p1"


def test_every_provider_has_a_sample_of_a_result() -> None:
    for provider in registry.NAMES - {"runway", "stability"}:  # they send no webhooks
        assert "succeeded" in states(provider), provider
        assert sample(provider, "succeeded", JOB)


def test_a_state_that_a_provider_never_reports_has_no_sample() -> None:
    assert sample("fal", "running", JOB) is None
    assert states("ideogram") == ("succeeded", "moderated")
