"""`./herald plan|deploy|rollback|destroy`: a stage on AWS."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import DONE, interruptible, note, print_json, say
from cli.declare import command
from cli.options import Json, Yes
from cli.stages import stages

if TYPE_CHECKING:
    from cli.release import Options, Report

Stage = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="The stage; without it, STAGE in the environment.",
        envvar="STAGE",
        show_envvar=False,
        show_default=False,
        autocompletion=stages,
    ),
]
SkipSmoke = Annotated[bool, typer.Option("--skip-smoke", help="Do not run the smoke test.")]


@command("./herald plan --stage prod")
def plan(stage: Stage = "", json: Json = False) -> int:
    """Build the package and print what Terraform would change, without changing anything.

    A stage is defined in the file infra/envs/NAME.tfvars. Its Terraform state is in an S3 bucket.
    The file infra/envs/NAME.s3.tfbackend names the bucket and Region. Without this file,
    HERALD_STATE_BUCKET names the bucket.

    Exit codes: 0 planned; 2 the plan failed. --json prints the same keys as `deploy --json`.
    """
    from cli import release

    with interruptible():
        report, text = release.plan(stage)
    if json:
        print_json(report.public())
    else:
        say(text)
    return DONE


@command("""
./herald deploy --stage prod
./herald deploy --stage dev --yes
./herald deploy --stage dev --package build/package/arm64/deployment.zip
""")
def deploy(
    stage: Stage = "",
    yes: Yes = False,
    package: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Deploy this package instead of building one."),
    ] = None,
    skip_migrate: Annotated[
        bool, typer.Option("--skip-migrate", help="Do not migrate the database.")
    ] = False,
    skip_smoke: SkipSmoke = False,
    json: Json = False,
) -> int:
    """Deploy a stage: package, plan, ask, migrate, apply, set missing secrets, smoke test.

    Of the secrets without a value, the webhook secret is generated, and the command asks for the
    others. Every step can be repeated: after a failure or Ctrl-C, run the same command again.

    Exit codes: 0 the stage is deployed or was already current, and the smoke test passed; 1 the
    answer was no, or a step failed or was interrupted; 2 nothing was changed.

    --json prints {"stage", "package", "changes", "applied", "migrated", "secrets", "smoke",
    "failed"}: "package" is the package's SHA-256, "changes" whether there was anything to change,
    "applied" whether it was applied, "migrated" and "secrets" are names, "smoke" is the JSON of
    `smoke` or null, and "failed" is the step that failed or null.
    """
    from cli.release import Options

    options = Options(yes=yes, archive=package, migrate=not skip_migrate, smoke=not skip_smoke)
    return _deployed(stage, options, json=json)


@command("./herald rollback --stage prod")
def rollback(
    stage: Stage = "", yes: Yes = False, skip_smoke: SkipSmoke = False, json: Json = False
) -> int:
    """Deploy the package again that this machine deployed before the last one.

    The five newest packages are kept in build/packages/NAME. The command uses this checkout's
    Terraform configuration and does not change the database. Rolling back twice deploys the newer
    package again.

    Exit codes and --json are the same as for `deploy`.
    """
    from cli import packages
    from cli.release import Options

    archive = packages.previous(stage)
    note(f"Rolling back stage {stage} to {archive.name}.")
    options = Options(yes=yes, archive=archive, migrate=False, smoke=not skip_smoke)
    return _deployed(stage, options, json=json)


@command("./herald destroy --stage dev")
def destroy(stage: Stage = "", yes: Yes = False, json: Json = False) -> int:
    """Remove a stage from AWS after your confirmation.

    Exit codes: 0 removed; 1 you answered no, or Terraform failed after removing a part; 2 nothing
    was changed. --json prints the same keys as `deploy --json`.
    """
    from cli import release

    with interruptible():
        return _report(release.destroy(stage, yes=yes), json=json)


def _deployed(stage: str, options: "Options", *, json: bool) -> int:
    from cli import release

    with interruptible():
        return _report(release.deploy(stage, options), json=json)


def _report(report: "Report", *, json: bool) -> int:
    if json:
        print_json(report.public())
    return report.code
