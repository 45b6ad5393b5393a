"""Deploy to AWS: `make plan|deploy|destroy STAGE=…`.

A stage is infra/envs/<stage>.tfvars. Its Terraform state is in S3: infra/envs/<stage>.s3.tfbackend
names bucket and region (and key, role, …), or HERALD_STATE_BUCKET names the bucket.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from local import BUILD, ROOT, package, terraform
from local.environments import SetupError
from ops.commands import DONE, PARTLY, CommandError, confirmed, note, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INFRA = ROOT / "infra"
_CHANGES = 2  # `terraform plan -detailed-exitcode`


class Deployment:
    """Terraform's runs for one stage; state and plan files are in build/deploy/<stage>."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.variables = _variables(stage)
        self.directory = BUILD / "deploy" / stage
        self.plan_file = self.directory / "plan.tfplan"
        self._terraform = str(terraform.find_terraform())
        self._environment = {
            **terraform.environment(),
            # Each stage keeps its own backend settings: changing stages changes no state.
            "TF_DATA_DIR": str(self.directory / "terraform"),
        }

    def init(self) -> None:
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

    def apply(self) -> int:
        """Apply exactly what was planned."""
        code = self._run("apply", str(self.plan_file))
        self.plan_file.unlink(missing_ok=True)
        if code != 0:
            note(
                "terraform apply failed half-way: mend what it names and run"
                f" `make deploy STAGE={self.stage}` again."
            )
            return PARTLY
        return DONE

    def _run(self, command: str, *arguments: str) -> int:
        plain = [] if sys.stdout.isatty() else ["-no-color"]
        return subprocess.call(
            [self._terraform, f"-chdir={_INFRA}", command, *plain, *arguments],
            env=self._environment,
        )


def _variables(stage: str) -> Path:
    known = sorted(path.stem for path in (_INFRA / "envs").glob("*.tfvars"))
    if stage not in known:
        asked = f"There is no stage {stage!r}." if stage else "Which stage? Give STAGE=…."
        raise CommandError(
            f"{asked} A stage is a file infra/envs/<stage>.tfvars; there are: {', '.join(known)}."
        )
    return _INFRA / "envs" / f"{stage}.tfvars"


def _backend(stage: str) -> list[str]:
    """The backend's settings for `terraform init`: a file, or bucket and key."""
    settings = _INFRA / "envs" / f"{stage}.s3.tfbackend"
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
    """Who we are on AWS, as a line; raises CommandError when the credentials do not hold."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    # Unlike Terraform, boto3 does not read AWS_REGION; and Terraform's backend reads no profile.
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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ops.deploy",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("command", choices=["plan", "apply", "destroy"])
    parser.add_argument("stage", help="a file infra/envs/<stage>.tfvars")
    parser.add_argument("--yes", action="store_true", help="do not ask before applying")
    given = parser.parse_args(arguments)
    try:
        return _deploy(given.command, given.stage, yes=given.yes)
    except SetupError as exc:
        raise CommandError(str(exc)) from exc


def _deploy(command: str, stage: str, *, yes: bool) -> int:
    _variables(stage)
    _backend(stage)
    note(f"Stage {stage}: {_account()}.")
    deployment = Deployment(stage)
    package.build()
    deployment.init()
    if not deployment.plan(destroy=command == "destroy"):
        note("Nothing to change.")
        return DONE
    if command == "plan":
        note(f"Not applied: `make deploy STAGE={stage}` plans again and applies.")
        return DONE
    doing = "Destroy all of this in" if command == "destroy" else "Apply this to"
    if not confirmed(f"{doing} stage {stage}?", yes=yes):
        return PARTLY
    return deployment.apply()


if __name__ == "__main__":
    sys.exit(run(main))
