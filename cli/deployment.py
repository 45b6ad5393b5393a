"""Deploying a stage to AWS with Terraform.

A stage is infra/envs/<stage>.tfvars. Its Terraform state is in S3: infra/envs/<stage>.s3.tfbackend
names the bucket and Region (and key, role, …), or HERALD_STATE_BUCKET names the bucket.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from cli import place
from cli.console import DONE, PARTLY, CommandError, confirmed, note
from cli.stages import DIRECTORY, stages
from tooling import BUILD, ROOT, package, terraform

if TYPE_CHECKING:
    from pathlib import Path

_INFRA = ROOT / "infra"
_CHANGES = 2  # `terraform plan -detailed-exitcode`
_STDERR = 2  # file descriptor


class Deployment:
    """Terraform's runs for one stage; state and plan files are in build/deploy/<stage>."""

    def __init__(self, stage: str, *, quiet: bool = False) -> None:
        self.stage = stage
        self._quiet = quiet
        self.variables = _variables(stage)
        self.directory = BUILD / "deploy" / stage
        self.plan_file = self.directory / "plan.tfplan"
        self._terraform = str(terraform.find_terraform())
        self._environment = {
            **terraform.environment(),
            # Backend settings for each stage: switching stages never touches another's state.
            "TF_DATA_DIR": str(self.directory / "terraform"),
        }

    def init(self) -> None:
        """Initialise Terraform with the stage's backend; raises SetupError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        backend = [f"-backend-config={setting}" for setting in _backend(self.stage)]
        terraform.init(_INFRA, self._environment, "-reconfigure", "-lockfile=readonly", *backend)

    def plan(self, *, destroy: bool) -> bool:
        """Write the plan file and print the plan; return whether there is anything to do."""
        runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
        arguments = [f"-var-file={self.variables}", f"-var=lambda_runtime={runtime}"]
        if destroy:
            arguments.append("-destroy")
        code = self._run("plan", "-detailed-exitcode", f"-out={self.plan_file}", *arguments)
        if code not in (0, _CHANGES):
            raise CommandError(
                f"terraform plan failed for stage {self.stage}; nothing was changed."
            )
        return code == _CHANGES

    def apply(self) -> bool:
        """Apply exactly the plan; return whether all of it was applied."""
        code = self._run("apply", str(self.plan_file))
        self.plan_file.unlink(missing_ok=True)
        return code == 0

    def _run(self, command: str, *arguments: str) -> int:
        plain = [] if sys.stdout.isatty() else ["-no-color"]
        return subprocess.call(
            [self._terraform, f"-chdir={_INFRA}", command, *plain, *arguments],
            env=self._environment,
            stdout=_STDERR if self._quiet else None,
        )


def _variables(stage: str) -> Path:
    known = stages()
    if stage not in known:
        problem = f"There is no stage {stage!r}." if stage else "Which stage? Give --stage NAME."
        raise CommandError(
            f"{problem} A stage is a file infra/envs/<stage>.tfvars; there are: {', '.join(known)}."
        )
    return DIRECTORY / f"{stage}.tfvars"


def _backend(stage: str) -> list[str]:
    """Return the backend's settings for `terraform init`: a file, or bucket and key."""
    settings = DIRECTORY / f"{stage}.s3.tfbackend"
    if settings.is_file():
        text = settings.read_text()
        key = [] if re.search(r"(?m)^\s*key\s*=", text) else [f"key=herald/{stage}.tfstate"]
        return [str(settings), *key]
    if bucket := os.environ.get("HERALD_STATE_BUCKET"):
        return [f"bucket={bucket}", f"key=herald/{stage}.tfstate"]
    raise CommandError(
        f"Where is the Terraform state of stage {stage}? Write infra/envs/{stage}.s3.tfbackend:\n"
        '  bucket = "my-terraform-states"\n  region = "eu-central-1"\n'
        "or set HERALD_STATE_BUCKET. The bucket must exist; turn on its versioning."
    )


def _account(stage: str) -> str:
    """Return who we are on AWS, as a line; raises CommandError for invalid credentials."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    where = place.read(_variables(stage))
    # The Region of the state's bucket, unless its file names one: Terraform reads no profile.
    os.environ.setdefault("AWS_REGION", where.region)
    try:
        identity = boto3.client("sts", region_name=where.region).get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        raise CommandError(
            f"No valid AWS credentials ({exc}). Log in (`aws sso login`, AWS_PROFILE=…) or set"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from exc
    where.check(identity["Account"], identity["Arn"])
    return f"account {where.account}, {where.region}, as {identity['Arn']}"


class Result(NamedTuple):
    """Whether there was anything to change, whether all of it was applied, and the exit code."""

    changes: bool
    applied: bool
    code: int


def run(action: str, stage: str, *, yes: bool, quiet: bool = False) -> Result:
    """Plan a stage; as `deploy` and `destroy`, apply the plan once the operator agrees.

    `quiet` sends Terraform's output to stderr.

    Raises
    ------
    CommandError
        Stage, state or credentials are missing, the credentials are of another account than the
        stage's, or the plan failed: nothing was changed.
    SetupError
        The package cannot be built, or Terraform cannot be initialised.
    """
    _variables(stage)
    _backend(stage)
    note(f"Stage {stage}: {_account(stage)}.")
    deployment = Deployment(stage, quiet=quiet)
    package.build()
    deployment.init()
    if not deployment.plan(destroy=action == "destroy"):
        note("Nothing to change.")
        return Result(changes=False, applied=False, code=DONE)
    if action == "plan":
        note(f"Not applied: `./herald deploy --stage {stage}` plans again and applies.")
        return Result(changes=True, applied=False, code=DONE)
    question = "Destroy all of this in" if action == "destroy" else "Apply this to"
    if not confirmed(f"{question} stage {stage}?", yes=yes):
        return Result(changes=True, applied=False, code=PARTLY)
    if deployment.apply():
        return Result(changes=True, applied=True, code=DONE)
    note(
        "terraform apply failed half-way: fix the cause and run"
        f" `./herald {action} --stage {stage}` again."
    )
    return Result(changes=True, applied=False, code=PARTLY)
