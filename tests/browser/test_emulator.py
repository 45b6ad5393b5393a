"""A malicious web page, open in a browser on the machine that runs the emulator, is refused.

The page knows the port, the key ids and how to sign, but not the secret keys. It is served from the
same machine, so only the emulator itself can refuse its requests.
"""

from __future__ import annotations

import base64
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from local import emulator, processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from local.emulator import Emulator

pytestmark = pytest.mark.browser

_SECRET = "the value of a secret"
_ACCOUNT = "000000000000"

# The result of each attempt is the response that the page could read, or "opaque" (the request was
# sent, but the browser hides the response from the page), or "failed" (the browser did not send the
# request or rejected the response).
_PAGE = """
async ({url, key, code, role}) => {
  const now = new Date().toISOString().replace(/[-:]|[.][0-9]+/g, "");
  const scope = service => `${key}/${now.slice(0, 8)}/us-east-1/${service}/aws4_request`;
  const headers = service => ({
    "x-amz-date": now,
    "authorization": `AWS4-HMAC-SHA256 Credential=${scope(service)}, ` +
      `SignedHeaders=host;x-amz-date, Signature=${"0".repeat(64)}`,
  });
  const query = service => new URLSearchParams({
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": scope(service),
    "X-Amz-Date": now, "X-Amz-Expires": "900", "X-Amz-SignedHeaders": "host",
    "X-Amz-Signature": "0".repeat(64),
  });
  const read = {"content-type": "application/x-amz-json-1.1",
                "x-amz-target": "secretsmanager.GetSecretValue"};
  const secret = JSON.stringify({SecretId: "s"});
  const made = JSON.stringify({FunctionName: "intruder", Runtime: "python3.11", Role: role,
                               Handler: "code.f", Code: {ZipFile: code}});
  const functions = `${url}/2015-03-31/functions`;
  const body = text => ({method: "POST", body: text});
  const attempts = [
    [`${url}/`, {...body(secret), headers: {...read, ...headers("secretsmanager")}}],
    [`${url}/?${query("secretsmanager")}`, {...body(secret), headers: read}],
    [functions, {...body(made), headers: headers("lambda")}],
    [`${functions}?${query("lambda")}`, body(made)],
    [`${functions}?${query("lambda")}`, {...body(made), mode: "no-cors"}],
    [`${functions}`, {...body(made), mode: "no-cors"}],
    [`${functions}?${query("lambda")}`, {}],
    [`${url}/_ministack/reset`, {method: "POST", mode: "no-cors"}],
    [`${url}/_ministack/lambda-code/known`, {}],
    [`${url}/_ministack/ready`, {}],
  ];
  const ended = [];
  for (const [address, options] of attempts) {
    try {
      const answer = await fetch(address, options);
      ended.push(answer.type === "opaque" ? "opaque" : `${answer.status} ${await answer.text()}`);
    } catch (error) {
      ended.push("failed");
    }
  }
  return ended;
}
"""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator with a secret and a function."""
    directory = tmp_path_factory.mktemp("emulator")
    (directory / "logs").mkdir()
    try:
        started = emulator.start(directory, {})
        started.client("secretsmanager").create_secret(Name="s", SecretString=_SECRET)
        _create_function(started, "known")
        yield started
    finally:
        processes.stop(directory)


def _create_function(aws: Emulator, name: str) -> None:
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=_role(),
        Handler="code.f",
        Code={"ZipFile": _code("")},
    )


def _role() -> str:
    return f"arn:aws:iam::{_ACCOUNT}:role/r"


def _code(text: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("code.py", text)
    return archive.getvalue()


@pytest.fixture(scope="module")
def hostile_site() -> Iterator[str]:
    """A web site with an empty page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html>")

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(browser: Browser, hostile_site: str) -> Iterator[Page]:
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(hostile_site)
    yield opened
    context.close()


def test_a_page_reads_no_secret_and_creates_no_function(
    aws: Emulator, page: Page, tmp_path: Path
) -> None:
    statuses: list[int] = []
    page.on("response", lambda response: statuses.append(response.status))
    proof = tmp_path / "proof"
    code = base64.b64encode(_code(f"open({str(proof)!r}, 'w')")).decode()
    for key in (aws.access_key, "test", _ACCOUNT):
        ended = page.evaluate(_PAGE, {"url": aws.url, "key": key, "code": code, "role": _role()})
        assert set(ended) <= {"failed", "opaque"}, ended
        assert ended.count("opaque") == 3, ended  # these requests reached the emulator
    # Every request that was sent was refused.
    assert len(statuses) >= 9
    assert {status for status in statuses if status not in (400, 403)} == set()
    # And the emulator did not act on any of them.
    found = aws.client("lambda").list_functions()["Functions"]
    assert [each["FunctionName"] for each in found] == ["known"]
    assert aws.client("secretsmanager").get_secret_value(SecretId="s")["SecretString"] == _SECRET
    assert not proof.exists()
