"""The developer's commands on the applied stack: token, send, tail, logs and doctor."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local.tokens import Issuer
from tests.command_line import herald

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from local.stack import Stack

pytestmark = pytest.mark.e2e


def run(stack: Stack, *words: str) -> Result:
    return herald(*words, HERALD_STACK_ENV=str(stack.env_file), HERALD_TOKEN=None)


def findings(stack: Stack, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run doctor; return the exit code and the findings by check."""
    result = run(stack, "doctor", "--json", *words)
    return result.exit_code, {found["check"]: found for found in json.loads(result.stdout)}


def test_what_is_sent_to_a_user_is_shown_by_tail(stack: Stack) -> None:
    user = f"dev-{uuid.uuid4().hex}"
    sent = run(stack, "send", user, "--url", "https://images.example.com/cat.png")
    options = ["--from-start", "--count", "1", "--timeout", "30s"]
    shown = run(stack, "tail", user, *options)
    received = run(stack, "tail", user, *options, "--json")

    assert [result.exit_code for result in (sent, shown, received)] == [0, 0, 0]
    assert "complete" in shown.stdout
    assert "offset 1" in shown.stdout
    event = json.loads(received.stdout)
    assert event["subject"] in sent.output
    assert event["data"]["outputs"][0]["kind"] == "image"


def test_tail_without_events_exits_1(stack: Stack) -> None:
    result = run(stack, "tail", f"dev-{uuid.uuid4().hex}", "--timeout", "1s")
    assert result.exit_code == 1
    assert "No result arrived within 1 s" in result.output


def test_a_function_s_log_names_the_generation(stack: Stack) -> None:
    sent = json.loads(run(stack, "send", "dev", "--json").stdout)
    deadline = time.monotonic() + 15
    while sent["generation"] not in (shown := run(stack, "logs", "callback")).stdout:
        assert time.monotonic() < deadline, shown.output
    assert shown.exit_code == 0


def test_an_unknown_function_names_the_known_ones(stack: Stack) -> None:
    result = run(stack, "logs", "callbak")
    assert result.exit_code == 2
    assert "callback" in result.output


def test_doctor_finds_nothing_wrong_with_a_stack_and_its_application(
    stack: Stack, stack_env: dict[str, str]
) -> None:
    code, found = findings(
        stack,
        *("--origin", stack_env["HERALD_STUDIO_URL"]),
        *("--token", run(stack, "token", "alice").stdout.strip()),
        *("--database", stack_env["HERALD_DATABASE_URL"]),
        *("--provider", "replicate"),
    )
    assert [name for name, each in found.items() if not each["ok"]] == []
    assert code == 0
    assert {"address", "clock", "database", "application's database", "connection"} <= set(found)


def test_doctor_names_a_wrong_origin_a_wrong_token_and_a_missing_provider(
    stack: Stack, stack_env: dict[str, str]
) -> None:
    issuer = Issuer.of(stack_env)
    token = issuer._replace(secret="x" * 40).token("alice")
    code, found = findings(
        stack, "--origin", "http://localhost:1", "--token", token, "--provider", "acme"
    )
    assert code == 1
    assert "make up ORIGINS=http://localhost:1" in found["origin"]["fix"]
    assert "Another secret" in found["token"]["what"]
    assert "acme is not configured" in found["provider"]["what"]
    assert "refuses a connection with HTTP status 40" in found["connection"]["what"]


def test_doctor_names_a_webhook_that_was_signed_too_long_ago(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "refused.http"
    file.write_text(
        "POST /callbacks/generations HTTP/1.1\n"
        "webhook-id: msg_1\nwebhook-timestamp: 1700000000\nwebhook-signature: v1,YQ==\n\n{}"
    )
    code, found = findings(stack, "--delivery", str(file))
    assert code == 1
    assert "signed more than 300 s ago" in found["delivery"]["what"]
