"""The selection of a command's target."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cli import target
from cli.console import CommandError
from cli.options import Which
from tooling import SetupError

if TYPE_CHECKING:
    from pathlib import Path

STACK_ENV = """\
HERALD_STAGE=local
HERALD_QUEUE_URL=http://127.0.0.1:1/1/queue
HERALD_DATABASE_URL=postgresql://h:p@127.0.0.1:2/herald?a=b
AWS_ENDPOINT_URL=http://127.0.0.1:1
AWS_REGION=us-east-1
AWS_ACCESS_KEY_ID=local
AWS_SECRET_ACCESS_KEY=secret
"""


@pytest.fixture
def stack_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stack that was started by `make up`."""
    path = tmp_path / "stack.env"
    path.write_text(STACK_ENV)
    monkeypatch.setattr(target, "STACK_ENV", path)
    return path


@pytest.fixture(autouse=True)
def _no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "STACK_ENV", tmp_path / "none")
    for name in (
        "STAGE",
        "HERALD_STACK_ENV",
        "HERALD_DATABASE_URL",
        "HERALD_DATABASE_SCHEMA",
        "AWS_ENDPOINT_URL",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)


def outputs_file(path: Path, **values: Any) -> Path:
    path.write_text(json.dumps({name: {"value": value} for name, value in values.items()}))
    return path


@pytest.mark.usefixtures("stack_env")
def test_the_running_stack_is_the_default() -> None:
    herald = target.choose(Which())

    assert herald.title == "local stack"
    assert herald.output("queue_url") == "http://127.0.0.1:1/1/queue"
    assert herald.database_url() == "postgresql://h:p@127.0.0.1:2/herald?a=b"
    assert herald.secret_id("webhook") == "herald-local-webhook"


def test_a_local_command_cannot_reach_aws(stack_env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an operator who is logged in to AWS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")

    client = target.choose(Which()).client("sqs")

    assert client.meta.endpoint_url == "http://127.0.0.1:1"
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.token) == ("local", None)


def test_a_stage_comes_before_the_default_stack_and_after_one_that_is_named(
    stack_env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given STAGE in the environment, set by make or earlier in the shell."""
    monkeypatch.setattr(target, "_from_terraform", lambda stage: {"queue_url": f"of {stage}"})
    monkeypatch.setenv("STAGE", "prod")

    assert target.choose(Which()).output("queue_url") == "of prod"
    assert target.choose(Which(stage="dev")).title == "stage dev"
    assert target.choose(Which(stack_env=stack_env)).title == "local stack"
    monkeypatch.setenv("HERALD_STACK_ENV", str(stack_env))
    assert target.choose(Which()).title == "local stack"
    assert target.choose(Which(stage="dev")).title == "stage dev"


def test_a_named_stack_that_is_not_up_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is the stack running"):
        target.choose(Which(stack_env=tmp_path / "stack.env"))


def test_outputs_come_from_a_file_and_single_ones_from_the_command_line(tmp_path: Path) -> None:
    path = outputs_file(
        tmp_path / "o.json", queue_url="a", dlq_url="b", webhook_secret_arn="arn:w", names={"x": 1}
    )

    herald = target.choose(Which(outputs=path, values=["dlq_url=c=d"]))

    assert herald.output("queue_url") == "a"
    assert herald.output("dlq_url") == "c=d"
    assert herald.secret_id("webhook") == "arn:w"


def test_a_missing_output_is_asked_for_by_name(tmp_path: Path) -> None:
    herald = target.choose(Which(values=["queue_url=a"]))

    with pytest.raises(CommandError, match="--set inbox_table="):
        herald.output("inbox_table")


@pytest.mark.parametrize("text", ["", "[]", '{"a":1}', "{"])
def test_a_file_without_outputs_is_rejected(text: str, tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(text)
    with pytest.raises(CommandError, match="terraform output -json"):
        target.choose(Which(outputs=path))


def test_without_a_target_the_message_says_what_to_give() -> None:
    with pytest.raises(CommandError, match="make up"):
        target.choose(Which())


def test_a_stage_that_was_never_planned_here_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "BUILD", tmp_path)
    with pytest.raises(CommandError, match="herald plan --stage dev"):
        target.choose(Which(stage="dev"))


def terraform_that(prints: str, code: int, directory: Path) -> Path:
    """Return a terraform that records its arguments in the file `asked`."""
    program = directory / "terraform"
    program.write_text(
        f'#!/bin/sh\necho "$TF_DATA_DIR $*" > {directory}/asked\n'
        f"echo '{prints}'\necho broken >&2\nexit {code}\n"
    )
    program.chmod(0o755)
    return program


def test_a_stage_is_read_from_its_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "deploy" / "dev" / "terraform"
    data.mkdir(parents=True)
    program = terraform_that('{"queue_url":{"value":"q"}}', 0, tmp_path)
    monkeypatch.setattr(target, "BUILD", tmp_path)
    monkeypatch.setattr("tooling.terraform.find_terraform", lambda: program)
    monkeypatch.setattr("tooling.terraform.environment", dict)

    herald = target.choose(Which(stage="dev"))

    assert herald.output("queue_url") == "q"
    assert herald.secret_id("jwt") == "herald-dev-jwt"
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith(str(data))
    assert asked.endswith("infra output -json\n")


@pytest.mark.parametrize(("prints", "code", "says"), [("{}", 0, "deployed"), ("", 1, "broken")])
def test_a_state_that_cannot_be_read_is_reported_with_terraforms_message(
    prints: str, code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deploy" / "dev" / "terraform").mkdir(parents=True)
    program = terraform_that(prints, code, tmp_path)
    monkeypatch.setattr(target, "BUILD", tmp_path)
    monkeypatch.setattr("tooling.terraform.find_terraform", lambda: program)
    monkeypatch.setattr("tooling.terraform.environment", dict)

    with pytest.raises(CommandError, match=says):
        target.choose(Which(stage="dev"))


def test_missing_terraform_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise SetupError("no terraform")

    (tmp_path / "deploy" / "dev" / "terraform").mkdir(parents=True)
    monkeypatch.setattr(target, "BUILD", tmp_path)
    monkeypatch.setattr("tooling.terraform.find_terraform", missing)

    with pytest.raises(CommandError, match="no terraform"):
        target.choose(Which(stage="dev"))


@pytest.mark.usefixtures("stack_env")
def test_the_schema_is_the_stages_own(tmp_path: Path) -> None:
    outputs = outputs_file(tmp_path / "o.json", database_url="dsn", database_schema="notices")
    assert target.database(Which(outputs=outputs)) == ("dsn", "notices")
    assert target.database(Which()).schema == "herald"


def test_a_database_that_is_named_needs_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERALD_DATABASE_URL", "dsn")
    assert target.database(Which()) == ("dsn", "herald")
    assert target.database(Which(values=["database_schema=a"])) == ("dsn", "a")
    monkeypatch.setenv("HERALD_DATABASE_SCHEMA", "notices")
    assert target.database(Which()) == ("dsn", "notices")
    monkeypatch.setenv("HERALD_DATABASE_SCHEMA", "public")
    with pytest.raises(CommandError, match="HERALD_DATABASE_SCHEMA"):
        target.database(Which())
