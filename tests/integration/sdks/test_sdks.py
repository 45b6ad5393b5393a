"""The providers' official SDKs understand the stand-ins, and Herald understands them alike."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.providers import registry
from chalicelib.providers.polling import Answer, Api, Job
from tests.fakes import provider_apis
from tests.fakes.provider_apis import KEY, MP4, PNG, ProviderApis
from tests.unit.providers import samples
from tooling import environments
from tooling.providers import signing
from tooling.providers.samples import Job as Sample
from tooling.providers.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.providers.report import Call, Report

pytestmark = pytest.mark.integration

OWN = samples.GENERATION
PICTURE = base64.b64encode(PNG).decode()
LINE = {
    "id": "batch_req_1",
    "custom_id": OWN,
    "response": {"status_code": 200, "body": {"created": 1, "data": [{"b64_json": PICTURE}]}},
    "error": None,
}
BATCH = {
    "id": "batch_5",
    "object": "batch",
    "endpoint": "/v1/images/generations",
    "input_file_id": "file-in",
    "completion_window": "24h",
    "created_at": 1795600000,
    "status": "completed",
    "output_file_id": "file-out",
}
ANSWER = {
    "key": OWN,
    "response": {
        "candidates": [
            {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": PICTURE}}]}}
        ]
    },
}


@pytest.fixture(scope="module")
def apis() -> Iterator[ProviderApis]:
    """Stand-ins with jobs in several states."""
    for found in provider_apis.serving():
        for provider in ("replicate", "runway", "luma"):
            found.put(provider, "job-1", "succeeded")
            found.put(provider, "job-2", "running")
        found.put("runway", "job-3", "running")
        found.put("openai", "resp_1", "succeeded")
        found.put("openai", "resp_failed", "failed")
        found.put("gemini", "op-9f", "succeeded")
        found.put("gemini", "run", "running")
        found.put("gemini", "abc", "succeeded")
        found.fixed["openai", "/v1/batches/batch_5"] = BATCH
        found.fixed["openai", "/v1/files/file-out/content"] = json.dumps(LINE).encode() + b"\n"
        batch = {"state": "BATCH_STATE_SUCCEEDED", "output": {"responsesFile": "files/out-1"}}
        found.fixed["gemini", "/v1beta/batches/b-1"] = {"name": "batches/b-1", "metadata": batch}
        responses = json.dumps(ANSWER).encode() + b"\n"
        found.fixed["gemini", "/v1beta/files/out-1:download?alt=media"] = responses
        yield found


@pytest.fixture(scope="module")
def understood(apis: ProviderApis) -> dict[str, Any]:
    """What the SDKs understand; OpenAI's also checks a webhook."""
    body = sample("openai", "succeeded", Sample(OWN, "resp_1")) or b""
    keys = {"secret": samples.SECRET}
    headers = signing.sign(
        "openai", body, keys, generation_id=OWN, delivery_id="wh_1", now=time.time()
    ).headers
    signed = json.dumps({"headers": headers, "body": body.decode()})
    command = [environments.ensure("sdks"), Path(__file__).with_name("ask.py")]
    run = subprocess.run(
        [*map(str, command), apis.url, KEY, samples.SECRET, signed],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def look_up(apis: ProviderApis, provider: str, job_id: str) -> list[Report]:
    """The reports of Herald's own look-up at the same stand-in, without sockets."""
    adapter = registry.adapter(provider)
    assert adapter is not None
    assert adapter.polling is not None

    def send(call: Call) -> Answer:
        path = call.url.removeprefix(apis.url)
        status, _, body = apis.handle(call.method, path, dict(call.headers))
        return Answer(status, body)

    base = apis.addresses[provider]
    api = Api(send, base, adapter.polling.authorize(KEY, 0.0), {})
    return list(adapter.polling.poll(Job(job_id, "veo-3.1-generate-preview"), api))


def test_openais_sdk_reads_the_webhook_the_response_and_the_batch(
    apis: ProviderApis, understood: dict[str, Any]
) -> None:
    assert understood["openai"] == {
        "event": "response.completed",
        "status": "completed",
        "picture": PICTURE,
        "failed": "server_error",
        "batch": "completed",
        "custom_ids": [OWN],
    }
    [report] = look_up(apis, "openai", "resp_1")
    assert [file.content for file in report.files] == [PNG]
    line, rest = look_up(apis, "openai", "batch_5")
    assert ([file.content for file in line.files], line.generation_id) == ([PNG], OWN)
    assert rest.generation_id is None


def test_googles_sdk_reads_the_operation_its_file_and_the_batch(
    apis: ProviderApis, understood: dict[str, Any]
) -> None:
    found = understood["gemini"]
    assert (found["running"], found["done"], found["bytes"]) == (None, True, len(MP4))
    assert found["batch"] == "JOB_STATE_SUCCEEDED"
    assert found["responses"] == len(json.dumps(ANSWER)) + 1
    [report] = look_up(apis, "gemini", "op-9f")
    [file] = report.files
    assert file.call is not None
    assert file.call.url.endswith("/v1beta/files/abc:download?alt=media")
    assert found["uri"].endswith("/v1beta/files/abc:download?alt=media")
    answer, _ = look_up(apis, "gemini", "batches/b-1")
    assert ([file.content for file in answer.files], answer.generation_id) == ([PNG], OWN)


@pytest.mark.parametrize("provider", ["replicate", "runway", "luma"])
def test_an_sdk_reads_and_cancels_as_herald_does(
    apis: ProviderApis, understood: dict[str, Any], provider: str
) -> None:
    [report] = look_up(apis, provider, "job-1")
    [output] = report.outputs
    found = understood[provider]
    assert output.url in (found.get("output") or [found.get("image")])
    assert found.get("progress") == (0.5 if provider == "runway" else None)
    assert (provider, "job-2") in apis.canceled
