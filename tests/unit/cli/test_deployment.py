"""Releasing a stage, with a fake terraform that only records its commands."""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from cli import deployment, first_secrets, packages, release
from cli.console import CommandError
from cli.smoke import run as smoke
from tests.command_line import herald
from tooling import SetupError, migrations, package
from tooling import terraform as tool

if TYPE_CHECKING:
    from pathlib import Path

NOTHING, CHANGES, FAILED = 0, 2, 1
PLAN: dict[str, Any] = {
    "variables": {"jwt_algorithm": {"value": "HS256"}},
    "resource_changes": [],
}


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stage `dev` with a state bucket, valid credentials, a built package and a database."""
    (tmp_path / "dev.tfvars").touch()
    for module in (deployment, packages):
        monkeypatch.setattr(module, "BUILD", tmp_path)
    monkeypatch.setattr(deployment, "DIRECTORY", tmp_path)
    monkeypatch.setattr(deployment, "stages", lambda: ["dev", "prod"])
    monkeypatch.setattr(release, "account", lambda stage: "account 1, r, as me")
    built = made_package(tmp_path / "deployment.zip", "3.12")
    monkeypatch.setattr(package, "build", lambda architecture: "hash")
    monkeypatch.setattr(package, "archive", lambda architecture: built)
    monkeypatch.setattr(tool, "environment", lambda: {"PATH": "/usr/bin:/bin"})
    monkeypatch.setattr(migrations, "pending", migrated)
    monkeypatch.setattr(migrations, "upgrade", migrated)
    monkeypatch.setattr(first_secrets, "fill", lambda target, *, jwks, algorithm: [])
    monkeypatch.setattr(smoke, "run", lambda target, database, *, patience: smoke.Result([]))
    monkeypatch.setenv("HERALD_STATE_BUCKET", "states")
    monkeypatch.setenv("HERALD_DATABASE_URL", "postgresql://u:p@h/d")
    monkeypatch.delenv("STAGE", raising=False)
    return tmp_path


def migrated(dsn: str, schema: str) -> migrations.Migrations:
    return migrations.Migrations("0001", "0001", [])


def made_package(path: Path, version: str, content: str = "") -> Path:
    compiled = f"psycopg2/_psycopg.cpython-{version.replace('.', '')}-x86_64-linux-gnu.so"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("app.py", content)
        opened.writestr(compiled, "")
    return path


def terraform(
    build: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    plan: int,
    apply: int = 0,
    said: str = "",
) -> None:
    """Put a terraform in place whose `plan` and `apply` exit with these codes."""
    (build / "plan.json").write_text(json.dumps(PLAN))
    (build / "said").write_text(said)
    program = build / "terraform"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in -chdir*) shift;; esac\necho "$@" >> {build}/asked\n'
        f'case "$1 $3" in\n  "plan "*) cat {build}/said; exit {plan};;\n'
        f'  "apply "*) cat {build}/said; exit {apply};;\n'
        f'  "show -json") cat {build}/plan.json;;\n  "show "*) echo the whole plan;;\n'
        '  "output "*) echo "{}";;\nesac\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(tool, "find_terraform", lambda: program)


def asked(build: Path) -> list[str]:
    """Return the commands that terraform received, except init, show and output."""
    lines = (build / "asked").read_text().splitlines()
    return [line for line in lines if line.split()[0] in ("plan", "apply")]


def error(summary: str, detail: str = "") -> str:
    """Return an error as `terraform -json` prints it."""
    diagnostic = {"severity": "error", "summary": summary, "detail": detail}
    return json.dumps({"type": "diagnostic", "diagnostic": diagnostic}) + "\n"


def test_a_plan_is_printed_and_not_applied(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    result = herald("plan", "--stage", "dev")

    assert (result.exit_code, result.stdout) == (0, "the whole plan\n\n")
    assert "Stage dev: account 1" in result.stderr
    assert len(asked(build)) == 1
    init = (build / "asked").read_text().splitlines()[0]
    assert init == "init -no-color -reconfigure -lockfile=readonly " + " ".join(
        f"-backend-config={setting}" for setting in ("bucket=states", "key=herald/dev.tfstate")
    )


def test_a_deployment_applies_the_plan_it_showed(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    result = herald("deploy", "--stage", "dev", "--yes", "--json")

    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["changes"], report["applied"], report["failed"]) == (True, True, None)
    assert report["package"] == packages.digest(build / "deployment.zip")
    assert report["smoke"]["passed"]
    plan, apply = asked(build)
    assert f"-out={build}/deploy/dev/plan.tfplan" in plan
    assert apply == f"apply -json {build}/deploy/dev/plan.tfplan"


def test_a_package_that_is_built_after_the_plan_is_not_applied(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)
    planned = packages.digest(build / "deployment.zip")

    def answer(question: str, *, yes: bool) -> bool:
        made_package(build / "deployment.zip", "3.12", "newer")
        return True

    monkeypatch.setattr(release, "confirmed", answer)
    assert herald("deploy", "--stage", "dev").exit_code == 0

    assert packages.digest(build / "deploy" / "dev" / "package.zip") == planned
    assert [path.stem for path in packages.deployed("dev")] == [planned]


def test_the_runtime_is_the_one_that_the_package_was_built_for(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=NOTHING)
    other = made_package(build / "other.zip", "3.13")

    assert herald("deploy", "--stage", "dev", "--package", str(other)).exit_code == 0

    assert "-var=lambda_runtime=python3.13" in asked(build)[0]
    assert "-var=architecture=x86_64" in asked(build)[0]


def test_a_file_that_is_not_a_package_is_not_deployed(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=NOTHING)
    (build / "other.zip").write_text("not a zip")

    result = herald("deploy", "--stage", "dev", "--package", str(build / "other.zip"))

    assert result.exit_code == 2
    assert "is not a deployment package" in result.stderr


def test_only_destroy_plans_a_destruction(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    assert herald("destroy", "--stage", "dev", "--yes").exit_code == 0
    assert "-destroy" in asked(build)[0]
    assert herald("deploy", "--stage", "dev", "--yes").exit_code == 0
    assert "-destroy" not in asked(build)[2]


@pytest.mark.parametrize("action", ["deploy", "destroy"])
def test_without_a_terminal_nothing_is_applied(
    action: str, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    result = herald(action, "--stage", "dev", typed="y\n")

    assert result.exit_code == 2
    assert "use --yes" in result.stderr
    assert len(asked(build)) == 1


def test_an_answer_of_no_exits_1(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=CHANGES)
    monkeypatch.setattr(release, "confirmed", lambda question, *, yes: yes)

    result = herald("deploy", "--stage", "dev", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["applied"] is False
    assert len(asked(build)) == 1


def test_a_stage_without_changes_is_only_tested(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=NOTHING)

    result = herald("deploy", "--stage", "dev", "--json")

    report = json.loads(result.stdout)
    assert (result.exit_code, report["changes"], report["applied"]) == (0, False, False)
    assert report["smoke"]["passed"]
    assert len(asked(build)) == 1


def test_a_failed_apply_exits_1_and_says_why_and_what_next(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES, apply=FAILED, said=error("the reason"))

    result = herald("deploy", "--stage", "dev", "--yes", "--json")

    assert result.exit_code == 1
    assert "the reason" in result.stderr
    assert "run the same command again" in result.stderr
    report = json.loads(result.stdout)
    assert (report["failed"], report["applied"], report["smoke"]) == ("apply", False, None)
    assert not (build / "deploy" / "dev" / "plan.tfplan").exists()


def test_a_failed_plan_exits_2(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=FAILED, said=error("the reason"))

    result = herald("deploy", "--stage", "dev", "--yes")

    assert result.exit_code == 2
    assert "Nothing was changed.\nthe reason" in result.stderr
    assert len(asked(build)) == 1


def test_a_locked_state_says_how_to_remove_the_lock(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = error("Error acquiring the state lock", "Lock Info:\n  ID:        0a1b-2c\n  Path: x")
    terraform(build, monkeypatch, plan=FAILED, said=said)

    result = herald("deploy", "--stage", "dev", "--yes")

    assert f"TF_DATA_DIR={build}/deploy/dev/terraform" in result.stderr
    assert "force-unlock 0a1b-2c" in result.stderr


def test_a_known_database_is_migrated_before_the_functions_change(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)
    applied_before: list[int] = []
    pending = migrations.Migrations("0001", "0002", ["0002"])

    def upgrade(dsn: str, schema: str) -> migrations.Migrations:
        applied_before.append(len(asked(build)) - 1)
        return pending

    monkeypatch.setattr(migrations, "pending", lambda dsn, schema: pending)
    monkeypatch.setattr(migrations, "upgrade", upgrade)

    result = herald("deploy", "--stage", "dev", "--yes", "--json")

    assert json.loads(result.stdout)["migrated"] == ["0002"]
    assert applied_before == [0]
    assert "Database h/d: to be migrated: 0002." in result.stderr


def test_a_failed_migration_leaves_the_functions_alone(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    def upgrade(dsn: str, schema: str) -> migrations.Migrations:
        raise SetupError("The database refused.")

    monkeypatch.setattr(migrations, "upgrade", upgrade)
    result = herald("deploy", "--stage", "dev", "--yes", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"] == "migrate"
    assert "--skip-migrate" in result.stderr
    assert len(asked(build)) == 1


def test_a_database_that_cannot_be_reached_stops_before_the_apply(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    def pending(dsn: str, schema: str) -> migrations.Migrations:
        raise SetupError("The database at h/d refused.")

    monkeypatch.setattr(migrations, "pending", pending)
    result = herald("deploy", "--stage", "dev", "--yes")

    assert result.exit_code == 2
    assert "refused.\n--skip-migrate" in result.stderr
    assert len(asked(build)) == 1


def test_steps_can_be_skipped(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform(build, monkeypatch, plan=NOTHING)
    monkeypatch.setattr(migrations, "pending", lambda dsn, schema: pytest.fail("it looked"))
    monkeypatch.setattr(smoke, "run", lambda *arguments, **named: pytest.fail("it ran"))

    result = herald("deploy", "--stage", "dev", "--skip-migrate", "--skip-smoke", "--json")

    assert json.loads(result.stdout)["smoke"] is None


def test_missing_secrets_exit_1_before_the_smoke_test(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    def fill(target: Any, *, jwks: bool, algorithm: str) -> list[str]:
        raise CommandError("These secrets have no value.")

    monkeypatch.setattr(first_secrets, "fill", fill)
    result = herald("deploy", "--stage", "dev", "--yes", "--json")

    report = json.loads(result.stdout)
    assert (result.exit_code, report["failed"], report["applied"]) == (1, "secrets", True)
    assert report["smoke"] is None


def test_a_failed_smoke_test_exits_1_and_names_the_rollback(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)
    failed = smoke.Result([], smoke.Step.WEBHOOK, "401")
    monkeypatch.setattr(smoke, "run", lambda target, database, *, patience: failed)

    result = herald("deploy", "--stage", "dev", "--yes", "--json")

    report = json.loads(result.stdout)
    assert (result.exit_code, report["failed"], report["smoke"]["failed"]) == (
        1,
        "smoke",
        "webhook",
    )
    assert "`./herald rollback --stage dev`" in result.stderr


def test_a_rollback_deploys_the_package_before_the_last_one(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)
    older = made_package(build / "older.zip", "3.12", "older")
    for archive in (older, build / "deployment.zip"):
        assert herald("deploy", "--stage", "dev", "--yes", "--package", str(archive)).exit_code == 0

    result = herald("rollback", "--stage", "dev", "--yes", "--json")

    assert json.loads(result.stdout)["package"] == packages.digest(older)
    assert packages.digest(build / "deploy" / "dev" / "package.zip") == packages.digest(older)
    again = herald("rollback", "--stage", "dev", "--yes", "--json")
    assert json.loads(again.stdout)["package"] == packages.digest(build / "deployment.zip")


def test_after_a_failed_apply_a_rollback_returns_to_the_previous_package(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)
    older = made_package(build / "older.zip", "3.12", "older")
    assert herald("deploy", "--stage", "dev", "--yes", "--package", str(older)).exit_code == 0
    terraform(build, monkeypatch, plan=CHANGES, apply=FAILED)
    assert herald("deploy", "--stage", "dev", "--yes").exit_code == 1

    assert packages.previous("dev").stem == packages.digest(older)


def test_without_an_earlier_package_the_message_says_what_to_do(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=CHANGES)

    result = herald("rollback", "--stage", "dev", "--yes")

    assert result.exit_code == 2
    assert "Check out the earlier release" in result.stderr


def test_the_newest_packages_are_kept(build: Path) -> None:
    archives = [made_package(build / f"{n}.zip", "3.12", str(n)) for n in range(packages.KEPT + 2)]
    for number, archive in enumerate(archives):
        kept = packages.keep("dev", archive)
        os.utime(kept, (number, number))

    kept_now = packages.keep("dev", archives[-2])  # deployed again

    found = packages.deployed("dev")
    assert found[0] == kept_now
    assert {path.stem for path in found} == {
        packages.digest(archive) for archive in archives[-packages.KEPT :]
    }


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
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform(build, monkeypatch, plan=NOTHING)
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
