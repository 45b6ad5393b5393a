"""`./herald plan|deploy|destroy`: plans, deploys and destroys a stage on AWS."""

from typing import Annotated

import typer

from cli.console import print_json
from cli.declare import command
from cli.options import Json, Yes
from cli.stages import stages

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


@command("./herald plan --stage prod")
def plan(stage: Stage = "", json: Json = False) -> int:
    """Build the package and plan a stage, without changing anything.

    A stage is defined in the file infra/envs/NAME.tfvars. Its Terraform state is in an S3 bucket.
    The file infra/envs/NAME.s3.tfbackend names the bucket and Region. Without this file,
    HERALD_STATE_BUCKET names the bucket.

    Exit codes: 0 planned; 2 the command failed. --json prints {"stage", "changes", "applied"}, the
    last two true or false.
    """
    return _run("plan", stage, yes=False, json=json)


@command("""
./herald deploy --stage prod
./herald deploy --stage dev --yes
""")
def deploy(stage: Stage = "", yes: Yes = False, json: Json = False) -> int:
    """Build the package, plan a stage, and apply that plan after your confirmation.

    Exit codes: 0 deployed, or there was nothing to change; 1 the answer was no, or Terraform failed
    partway; 2 nothing was changed. --json prints {"stage", "changes", "applied"}, the last two true
    or false.
    """
    return _run("deploy", stage, yes=yes, json=json)


@command("./herald destroy --stage dev")
def destroy(stage: Stage = "", yes: Yes = False, json: Json = False) -> int:
    """Remove a stage from AWS after your confirmation.

    Exit codes: 0 removed; 1 the answer was no, or Terraform failed partway; 2 nothing was changed.
    --json prints {"stage", "changes", "applied"}, the last two true or false.
    """
    return _run("destroy", stage, yes=yes, json=json)


def _run(action: str, stage: str, *, yes: bool, json: bool) -> int:
    from cli import deployment

    result = deployment.run(action, stage, yes=yes, quiet=json)
    if json:
        print_json({"stage": stage, "changes": result.changes, "applied": result.applied})
    return result.code
