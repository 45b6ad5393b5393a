"""Deploys a stage with a fake terraform that only records its arguments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli import deployment
from tests.command_line import herald
from tooling import package
from tooling import terraform as tool

if TYPE_CHECKING:
    from pathlib import Path

NOTHING, CHANGES, FAILED = 0, 2, 1


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stage `dev` with a state bucket and valid credentials. No package is built."""
    (tmp_path / "dev.tfvars").touch()
    monkeypatch.setattr(deployment, "DIRECTORY", tmp_path)
    monkeypatch.setattr(deployment, "BUILD", tmp_path)
    monkeypatch.setattr(deployment, "stages", lambda: ["dev", "prod"])
    monkeypatch.setattr(deployment, "_account", lambda: "account 1, r, as me")
    monkeypatch.setattr(package, "build", lambda: "hash")
    monkeypatch.setattr(tool, "environment", lambda: {"PATH": "/usr/bin:/bin"})
    monkeypatch.setenv("HERALD_STATE_BUCKET", "states")
    monkeypatch.delenv("STAGE", raising=False)
    return tmp_path


def terraform(build: Path, monkeypatch: pytest.MonkeyPatch, *, plan: int, apply: int = 0) -> None:
    """Install a fake terraform whose `plan` and `apply` return these exit codes."""
    program = build / "terraform"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {build}/asked\n'
        f'case "$2" in plan) exit {plan};; apply) exit {apply};; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(tool, "find_terraform", lambda: program)


def asked(build: Path) -> list[str]:
    """Return the recorded arguments of terraform, without the paths."""
    lines = (build / "asked").read_text().splitlines()
    return [" ".join(word for word in line.split() if "/" not in word) for line in lines]


def test_a_plan_is_not_applied(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    result = herald("plan", "--stage", "dev")

    assert result.exit_code == 0
    assert "Stage dev: account 1" in result.stderr
    assert "`./herald deploy --stage dev`" in result.stderr
    first, second = asked(build)
    assert first == "init -no-color -reconfigure -lockfile=readonly -backend-config=bucket=states"
    assert second.startswith("plan -no-color -detailed-exitcode")


def test_a_deployment_applies_the_plan_it_showed(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    result = herald("deploy", "--stage", "dev", "--yes", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"stage": "dev", "changes": True, "applied": True}
    *_, plan, apply = (build / "asked").read_text().splitlines()
    assert f"-out={build}/deploy/dev/plan.tfplan" in plan
    assert apply.endswith(f"apply -no-color {build}/deploy/dev/plan.tfplan")


def test_only_destroy_plans_a_destruction(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    assert herald("destroy", "--stage", "dev", "--yes").exit_code == 0
    assert "-destroy" in asked(build)[1]
    assert herald("deploy", "--stage", "dev", "--yes").exit_code == 0
    assert "-destroy" not in asked(build)[-2]


@pytest.mark.parametrize("action", ["deploy", "destroy"])
def test_without_a_terminal_nothing_is_applied(
    action: str, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    result = herald(action, "--stage", "dev", typed="y\n")

    assert result.exit_code == 2
    assert "give --yes" in result.stderr
    assert len(asked(build)) == 2


def test_an_answer_of_no_exits_1(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=CHANGES)
    monkeypatch.setattr(deployment, "confirmed", lambda question, *, yes: yes)

    result = herald("deploy", "--stage", "dev", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"stage": "dev", "changes": True, "applied": False}
    assert len(asked(build)) == 2


def test_a_stage_without_changes_is_left_alone(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=NOTHING)

    result = herald("deploy", "--stage", "dev", "--yes", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"stage": "dev", "changes": False, "applied": False}
    assert len(asked(build)) == 2


def test_an_apply_that_fails_half_way_exits_1(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=CHANGES, apply=FAILED)

    result = herald("deploy", "--stage", "dev", "--yes")

    assert result.exit_code == 1
    assert "`./herald deploy --stage dev` again" in result.stderr
    assert not (build / "deploy" / "dev" / "plan.tfplan").exists()


def test_a_plan_that_fails_exits_2(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=FAILED)

    result = herald("deploy", "--stage", "dev", "--yes")

    assert result.exit_code == 2
    assert "nothing was changed" in result.stderr
    assert len(asked(build)) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Which stage? Give --stage NAME."),
        (["--stage", ""], "Which stage? Give --stage NAME."),
        (["--stage", "moon"], "There is no stage 'moon'. A stage is a file"),
    ],
)
def test_an_unknown_stage_exits_2(words: list[str], says: str) -> None:
    result = herald("plan", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert "dev, prod" in result.stderr


def test_the_stage_may_be_in_the_environment(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=NOTHING)
    assert herald("plan", STAGE="dev").exit_code == 0


def test_without_a_place_for_the_state_the_message_says_what_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HERALD_STATE_BUCKET")
    result = herald("plan", "--stage", "dev")
    assert result.exit_code == 2
    assert "infra/envs/dev.s3.tfbackend" in result.stderr


@pytest.mark.parametrize(
    ("text", "key"), [('bucket = "b"\n', True), ('bucket = "b"\nkey = "mine"\n', False)]
)
def test_a_backend_file_may_name_its_own_key(text: str, key: bool, build: Path) -> None:
    (build / "dev.s3.tfbackend").write_text(text)
    settings = deployment._backend("dev")
    assert settings[0] == str(build / "dev.s3.tfbackend")
    assert settings[1:] == (["key=herald/dev.tfstate"] if key else [])
