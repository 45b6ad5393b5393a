"""Deploys a stage to AWS with Terraform.

A stage is defined in infra/envs/<stage>.tfvars. Its Terraform state is in an S3 bucket. The file
infra/envs/<stage>.s3.tfbackend names the bucket, its Region and other backend settings. Without
this file, HERALD_STATE_BUCKET names the bucket.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from cli.console import DONE, PARTLY, CommandError, confirmed, note
from cli.stages import DIRECTORY, stages
from tooling import BUILD, ROOT, package, terraform

if TYPE_CHECKING:
    from pathlib import Path

_INFRA = ROOT / "infra"
_CHANGES = 2  # `terraform plan -detailed-exitcode`
_STDERR = 2  # file descriptor


class Deployment:
    """Runs Terraform for one stage. The plan and the backend settings are in
    build/deploy/<stage>.
    """

    def __init__(self, stage: str, *, quiet: bool = False) -> None:
        self.stage = stage
        self._quiet = quiet
        self.variables = _variables(stage)
        self.directory = BUILD / "deploy" / stage
        self.plan_file = self.directory / "plan.tfplan"
        self._terraform = str(terraform.find_terraform())
        self._environment = {
            **terraform.environment(),
            # Each stage has its own data directory, so one stage cannot change the state of
            # another.
            "TF_DATA_DIR": str(self.directory / "terraform"),
        }

    def init(self) -> None:
        """Initialise Terraform with the stage's backend; raises SetupError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        backend = [f"-backend-config={setting}" for setting in _backend(self.stage)]
        terraform.init(_INFRA, self._environment, "-reconfigure", "-lockfile=readonly", *backend)

    def plan(self, *, destroy: bool) -> bool:
        """Write the plan file and print the plan; return whether it has changes."""
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
        """Apply the saved plan; return whether all of it was applied."""
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
    """Return the arguments of `terraform init` for the backend: a file, or the bucket and key."""
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


def _account() -> str:
    """Return a line with the AWS account, Region and identity; raises CommandError for invalid
    credentials.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    # boto3 does not read AWS_REGION, unlike Terraform. Terraform's backend does not read the Region
    # of a profile. So the Region is set for both.
    region = os.environ.get("AWS_REGION") or boto3.Session().region_name
    if not region:
        raise CommandError("Which Region? Set AWS_REGION, or a region in the AWS profile.")
    os.environ["AWS_REGION"] = region
    try:
        identity = boto3.client("sts", region_name=region).get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        raise CommandError(
            f"No valid AWS credentials ({exc}). Log in (`aws sso login`, AWS_PROFILE=…) or set"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from exc
    return f"account {identity['Account']}, {region}, as {identity['Arn']}"


class Result(NamedTuple):
    """The result of a deployment: whether there were changes, whether all were applied, and the
    exit code.
    """

    changes: bool
    applied: bool
    code: int


def run(action: str, stage: str, *, yes: bool, quiet: bool = False) -> Result:
    """Plan a stage. For `deploy` and `destroy`, also apply the plan if the operator agrees.

    `quiet` sends Terraform's output to stderr.

    Raises
    ------
    CommandError
        The stage, the state or valid credentials are missing, or the plan failed. Nothing was
        changed.
    SetupError
        The package cannot be built, or Terraform cannot be initialised.
    """
    _variables(stage)
    _backend(stage)
    note(f"Stage {stage}: {_account()}.")
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
        "terraform apply failed partway: fix the cause and run"
        f" `./herald {action} --stage {stage}` again."
    )
    return Result(changes=True, applied=False, code=PARTLY)
