"""Deploys a stage to AWS with Terraform.

A stage is defined in infra/envs/<stage>.tfvars. Its Terraform state is in an S3 bucket. The file
infra/envs/<stage>.s3.tfbackend names the bucket, its Region and other backend settings. Without
this file, HERALD_STATE_BUCKET names the bucket.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from cli import place
from cli.console import CommandError
from cli.stages import DIRECTORY, stages
from tooling import BUILD, ROOT, package, terraform
from tooling.progress import Step

if TYPE_CHECKING:
    from pathlib import Path

_INFRA = ROOT / "infra"
_CHANGES = 2  # `terraform plan -detailed-exitcode`


class Plan(NamedTuple):
    """The result of `terraform plan`: whether there is anything to change, and the plan in JSON."""

    anything: bool
    document: dict[str, Any]

    def variable(self, name: str) -> str:
        """Return the text value of a root variable, or an empty string if it is not set."""
        return str(self.document["variables"].get(name, {}).get("value") or "")


class Deployment:
    """Terraform's runs for one stage; state, plan, package and logs are in build/deploy/<stage>."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.variables = _variables(stage)
        self.directory = BUILD / "deploy" / stage
        self.plan_file = self.directory / "plan.tfplan"
        # A copy, so that the planned package is applied even if another is built meanwhile.
        self.package = self.directory / "package.zip"
        self._environment = {
            **terraform.environment(),
            # Each stage has its own data directory, so one stage cannot change the state of
            # another.
            "TF_DATA_DIR": str(self.directory / "terraform"),
        }

    @property
    def architecture(self) -> str:
        """The architecture of the stage's functions: `architecture` in its variables."""
        pattern = r'(?m)^\s*architecture\s*=\s*"([^"]*)"'
        found = re.search(pattern, self.variables.read_text())
        wanted = found[1] if found else package.DEFAULT
        if wanted not in package.ARCHITECTURES:
            raise CommandError(
                f"{self.variables.name}: architecture must be one of"
                f" {', '.join(package.ARCHITECTURES)}, not {wanted!r}."
            )
        return wanted

    def init(self) -> None:
        """Initialise Terraform with the stage's backend; raises SetupError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        backend = [f"-backend-config={setting}" for setting in _backend(self.stage)]
        terraform.init(_INFRA, self._environment, "-reconfigure", "-lockfile=readonly", *backend)

    def plan(self, archive: Path, *, destroy: bool = False) -> Plan:
        """Plan the stage with a package, and keep the plan in a file.

        Raises
        ------
        CommandError
            Terraform failed.
        """
        shutil.copyfile(archive, self.package)
        arguments = [
            f"-var-file={self.variables}",
            f"-var=lambda_runtime={package.runtime(self.package)}",
            f"-var=architecture={package.architecture(self.package)}",
            # Relative, so that the state does not depend on the checkout's location.
            f"-var=package_path={os.path.relpath(self.package, _INFRA)}",
            *(["-destroy"] if destroy else []),
        ]
        run = self._follow("plan", "-detailed-exitcode", f"-out={self.plan_file}", *arguments)
        if run.code not in (0, _CHANGES):
            raise self._failed("plan", run, "Nothing was changed.")
        document = json.loads(self.show("-json"))
        return Plan(run.code == _CHANGES, document)

    def show(self, *options: str) -> str:
        """Return the plan as Terraform prints it; raises SetupError."""
        return terraform.show(self.plan_file, _INFRA, self._environment, *options)

    def apply(self) -> None:
        """Apply exactly the plan; raises CommandError if it was not applied completely."""
        run = self._follow("apply", str(self.plan_file))
        self.plan_file.unlink(missing_ok=True)
        if run.interrupted or run.code != 0:
            raise self._failed("apply", run, "The stage was changed in part. Its state is saved.")

    def outputs(self) -> dict[str, str]:
        """Return the text outputs in the state; none before the first deployment."""
        found = terraform.outputs(_INFRA, self._environment)
        return {name: value for name, value in found.items() if isinstance(value, str)}

    def _follow(self, command: str, *arguments: str) -> terraform.Run:
        log = self.directory / f"{command}.log"
        log.unlink(missing_ok=True)
        with Step(f"Terraform {command}") as step:
            return terraform.follow([command, *arguments], _INFRA, self._environment, step, log)

    def _failed(self, command: str, run: terraform.Run, consequence: str) -> CommandError:
        if run.interrupted:
            return CommandError(f"terraform {command} was interrupted. {consequence}")
        said = run.said(self.directory / f"{command}.log")
        locked = re.search(r"state lock[\s\S]*?ID:\s+(\S+)", said)
        unlock = f"\n\n{self._unlock(locked[1])}" if locked else ""
        return CommandError(
            f"terraform {command} failed for stage {self.stage}. {consequence}\n{said}{unlock}"
        )

    def _unlock(self, lock: str) -> str:
        data = self._environment["TF_DATA_DIR"]
        return (
            "Another run is changing this stage, or one was killed. If you are sure that none is"
            f" running, remove its lock:\n  TF_DATA_DIR={data} .venv/bin/python -m"
            f" tooling.terraform -chdir=infra force-unlock {lock}"
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


def account(stage: str) -> str:
    """Return the AWS account, Region and identity in one line.

    Raises CommandError for invalid credentials.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    where = place.read(_variables(stage))
    # Terraform uses this as the Region of the state's bucket, unless the backend file names one. It
    # does not read the Region in the profile.
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
