"""A release of a stage: package, plan, confirmation, migrations, apply, secrets, smoke test.

Every step can be repeated. After a failure or Ctrl-C, the same command does the remaining work.
"""

from __future__ import annotations

import dataclasses
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cli import first_secrets, packages, plan_summary, secret_values
from cli.console import DONE, PARTLY, CommandError, confirmed, note
from cli.deployment import Deployment, account
from cli.target import DATABASE_URL, DatabaseTarget, Target
from tooling import SetupError, migrations, package

if TYPE_CHECKING:
    from pathlib import Path

    from cli.deployment import Plan

_SMOKE_SECONDS = 60.0  # for each step; the functions and their URLs may be new


class Step(StrEnum):
    """The steps that change something. The values are the names in the report."""

    MIGRATE = "migrate"
    APPLY = "apply"
    SECRETS = "secrets"
    SMOKE = "smoke"


@dataclasses.dataclass(frozen=True)
class Options:
    """How to release. Without `package`, the package is built from this checkout."""

    yes: bool = False
    archive: Path | None = None
    migrate: bool = True
    smoke: bool = True


@dataclasses.dataclass
class Report:
    """What a release did; `failed` is the step that failed."""

    stage: str
    package: str = ""
    changes: bool = False
    applied: bool = False
    migrated: list[str] = dataclasses.field(default_factory=list)
    secrets: list[str] = dataclasses.field(default_factory=list)
    smoke: dict[str, Any] | None = None
    failed: Step | None = None
    code: int = DONE

    def public(self) -> dict[str, Any]:
        """Return the report for scripts, without the exit code."""
        every = dataclasses.asdict(self)
        del every["code"]
        return every


def plan(stage: str) -> tuple[Report, str]:
    """Build the package and plan a stage; return the report and the complete plan as text."""
    deployment, planned = _planned(stage, None)
    report = Report(stage, packages.digest(deployment.package), changes=planned.anything)
    return report, deployment.show()


def destroy(stage: str, *, yes: bool) -> Report:
    """Destroy a stage after the operator's confirmation."""
    deployment, planned = _planned(stage, None, destroy=True)
    report = Report(stage, changes=planned.anything)
    if not planned.anything:
        note("Nothing to destroy.")
        return report
    if not confirmed(f"Destroy all resources of stage {stage}?", yes=yes):
        report.code = PARTLY
        return report
    release = _Release(deployment, planned, Options(yes=yes), report)
    release.attempt(Step.APPLY, deployment.apply)
    report.applied = report.failed is None
    return report


def deploy(stage: str, options: Options) -> Report:
    """Release a stage after the operator's confirmation.

    Migrations only add to the schema. They run before the apply, because the new functions need the
    new schema. In a first deployment, they run after the apply, when the database secret has a
    value.

    Raises
    ------
    CommandError, SetupError
        Nothing was changed.
    """
    deployment, planned = _planned(stage, options.archive)
    report = Report(stage, packages.digest(deployment.package), changes=planned.anything)
    release = _Release(deployment, planned, options, report)
    database = release.known_database() if options.migrate else None
    if not release.agreed(database):
        report.code = PARTLY
        return report
    if database:
        release.attempt(Step.MIGRATE, lambda: release.migrate(database))
    release.attempt(Step.APPLY, release.apply)
    release.attempt(Step.SECRETS, release.fill_secrets)
    if options.migrate and not database:
        release.attempt(Step.MIGRATE, lambda: release.migrate(release.target.database()))
    if options.smoke:
        release.attempt(Step.SMOKE, release.smoke)
    return report


class _Release:
    """The steps of one release, and what they did."""

    def __init__(
        self, deployment: Deployment, planned: Plan, options: Options, report: Report
    ) -> None:
        self._deployment = deployment
        self._planned = planned
        self._options = options
        self._report = report

    @property
    def target(self) -> Target:
        """The stage as its state describes it now."""
        stage = self._deployment.stage
        return Target(f"stage {stage}", {"stage": stage, **self._deployment.outputs()})

    @property
    def _jwks(self) -> bool:
        return bool(self._planned.variable("jwt_jwks_url"))

    def attempt(self, step: Step, action: Any) -> None:
        """Do a step unless an earlier step failed; after an error, print what to do next."""
        if self._report.failed:
            return
        try:
            action()
        except (CommandError, SetupError, BotoCoreError, ClientError) as exc:
            note(str(exc))
        except KeyboardInterrupt:
            note("Interrupted.")
        else:
            return
        self._report.failed, self._report.code = step, PARTLY
        note(self._next(step))

    def known_database(self) -> DatabaseTarget | None:
        """Return the database to migrate before the apply, or None before the first deployment."""
        target = self.target
        schema = target.database_schema(self._planned.variable("database_schema"))
        if known := os.environ.get(DATABASE_URL):
            return DatabaseTarget(known, schema)
        try:
            secret_id = target.secret_id("database")
            stored = secret_values.has_value(target.client("secretsmanager"), secret_id)
        except ClientError as exc:
            if exc.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return None
        return DatabaseTarget(target.secret("database"), schema) if stored else None

    def agreed(self, database: DatabaseTarget | None) -> bool:
        """Ask for confirmation if anything changes; raises CommandError if the database fails."""
        steps = self._pending(database) if database else []
        if not self._planned.anything and not steps:
            note("Nothing to change.")
            return True
        return confirmed(f"Apply this to stage {self._deployment.stage}?", yes=self._options.yes)

    def _pending(self, database: DatabaseTarget) -> list[str]:
        try:
            steps = migrations.pending(*database).steps
        except SetupError as exc:
            raise CommandError(f"{exc}\n--skip-migrate deploys without the database.") from exc
        migrated = f"to be migrated: {', '.join(steps)}" if steps else "the schema is current"
        note(f"Database {migrations.place(database.dsn)}: {migrated}.")
        return steps

    def migrate(self, database: DatabaseTarget) -> None:
        """Migrate the database to the current schema."""
        found = migrations.upgrade(*database)
        self._report.migrated = found.steps
        note(f"✓ Migrations: {', '.join(found.steps) or 'the schema is current'}")

    def apply(self) -> None:
        """Keep the package and apply the plan.

        The package is kept before the apply, because it counts as the last deployed one even if the
        apply fails.
        """
        packages.keep(self._deployment.stage, self._deployment.package)
        if self._planned.anything:
            self._deployment.apply()
            self._report.applied = True

    def fill_secrets(self) -> None:
        """Ask for the secrets that have no value, or generate them."""
        algorithm = self._planned.variable("jwt_algorithm")
        filled = first_secrets.fill(self.target, jwks=self._jwks, algorithm=algorithm)
        self._report.secrets = [str(kind) for kind in filled]

    def smoke(self) -> None:
        """Send one generation through the stage; raises CommandError if it does not arrive."""
        from cli.smoke import run

        target = self.target
        note(f"Smoke test of the {target.title}:")
        result = run.run(target, target.database(), patience=_SMOKE_SECONDS)
        self._report.smoke = result.public()
        if not result.passed:
            raise CommandError("The smoke test failed.")

    def _next(self, step: Step) -> str:
        stage = self._deployment.stage
        if step is Step.SMOKE:
            return (
                f"The stage is deployed. `./herald smoke --stage {stage}` repeats the test;"
                f" `./herald rollback --stage {stage}` deploys the previous package."
            )
        skip = " (--skip-migrate skips this step)" if step is Step.MIGRATE else ""
        return f"Fix the cause, then run the same command again: it continues here.{skip}"


def _planned(stage: str, archive: Path | None, *, destroy: bool = False) -> tuple[Deployment, Plan]:
    """Build the package unless one is given, plan the stage, and print a summary of the plan."""
    deployment = Deployment(stage)
    note(f"Stage {stage}: {account(stage)}.")
    if archive is None:
        package.build(deployment.architecture)
        archive = package.archive(deployment.architecture)
    deployment.init()
    planned = deployment.plan(archive, destroy=destroy)
    found = plan_summary.changes(planned.document)
    note(f"Plan: {plan_summary.counts(found)}.")
    for line in plan_summary.lines(found, destroy=destroy):
        note(line)
    return deployment, planned
