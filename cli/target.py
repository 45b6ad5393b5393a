"""The Herald that a command works on: a stage on AWS, or the stack of this machine.

A stage is known by its Terraform outputs: `--stage` reads them from its state, `--outputs` from a
file that holds `terraform output -json`. Without either, the stack of HERALD_STACK_ENV, the stage
of STAGE (make: STAGE=…) or the stack that `make up` started is taken, in this order.
`--set name=value` overrides single outputs, and may be all that is given.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.commands import CommandError
from local.stack import DEFAULT, read_env
from tooling import BUILD, ROOT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

STACK_ENV = DEFAULT / "stack.env"
DATABASE_URL = "HERALD_DATABASE_URL"


class Target:
    """One deployment: its outputs by their Terraform names, and clients for its AWS services."""

    def __init__(
        self, title: str, outputs: Mapping[str, str], aws: Mapping[str, str] | None = None
    ) -> None:
        self.title = title
        self._outputs = outputs
        self._aws = aws

    def output(self, name: str) -> str:
        """Return a Terraform output; raises CommandError when it is not known."""
        if value := self._outputs.get(name):
            return value
        raise CommandError(f"The {self.title} does not tell its {name}: give --set {name}=….")

    def client(self, service: str) -> Any:
        """Return a boto3 client of the target's account."""
        import boto3

        if self._aws is None:
            session: Any = boto3.Session(region_name=os.environ.get("AWS_REGION"))
            return session.client(service)
        # All given here: a profile of the operator's must not lead a local command to AWS.
        session = boto3.Session(
            aws_access_key_id=self._aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._aws["AWS_SECRET_ACCESS_KEY"],
            region_name=self._aws["AWS_REGION"],
        )
        return session.client(service, endpoint_url=self._aws["AWS_ENDPOINT_URL"])

    def secret_id(self, kind: str) -> str:
        """Return what names a secret: its ARN when it is known, else its name."""
        return self._outputs.get(f"{kind}_secret_arn") or f"herald-{self.output('stage')}-{kind}"

    def database_url(self) -> str:
        """Return the DSN: HERALD_DATABASE_URL, the stack's own, or the stage's secret."""
        known = os.environ.get(DATABASE_URL) or self._outputs.get("database_url")
        if known:
            return known
        return str(
            self.client("secretsmanager").get_secret_value(SecretId=self.secret_id("database"))[
                "SecretString"
            ]
        ).strip()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a target."""
    group = parser.add_argument_group("which Herald (default: the stack that `make up` started)")
    group.add_argument(
        "--stage", help="a stage on AWS; its Terraform outputs are read (make: STAGE=…)"
    )
    group.add_argument(
        "--outputs",
        type=Path,
        metavar="FILE",
        help="a file with the stage's `terraform output -json`",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one Terraform output, for example queue_url=https://…; may be repeated",
    )
    group.add_argument(
        "--stack-env", type=Path, metavar="FILE", help="a stack's stack.env (or HERALD_STACK_ENV)"
    )


def choose(arguments: argparse.Namespace) -> Target:
    """Return the target that the options name.

    Raises
    ------
    CommandError
        No target is named and no stack runs, or the stage's outputs cannot be read.
    """
    given = _given(arguments.set)
    if arguments.outputs:
        return Target(f"stage in {arguments.outputs}", {**_from_file(arguments.outputs), **given})
    if arguments.stage:
        return _stage(arguments.stage, given)
    # What names a stack comes before a STAGE that is only left in the environment.
    if named := arguments.stack_env or os.environ.get("HERALD_STACK_ENV"):
        return _stack(Path(named), given)
    if stage := os.environ.get("STAGE"):
        return _stage(stage, given)
    if STACK_ENV.is_file():
        return _stack(STACK_ENV, given)
    if given:
        return Target("target of --set", given)
    raise CommandError(
        "Which Herald? Give --stage (make: STAGE=…), or start a stack with `make up`."
    )


def _stage(stage: str, given: Mapping[str, str]) -> Target:
    return Target(f"stage {stage}", {"stage": stage, **_from_terraform(stage), **given})


def _stack(path: Path, given: Mapping[str, str]) -> Target:
    if not path.is_file():
        raise CommandError(f"There is no {path}: is the stack up? `make up` starts one.")
    environment = read_env(path)
    known = {
        name.removeprefix("HERALD_").lower(): value
        for name, value in environment.items()
        if name.startswith("HERALD_")
    }
    return Target("local stack", {**known, **given}, environment)


def _given(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise CommandError(f"--set {pair}: write NAME=VALUE.")
    return dict(pair.split("=", 1) for pair in pairs)


def _from_file(path: Path) -> dict[str, str]:
    try:
        return _flat(path.read_text())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CommandError(f"{path} does not hold what `terraform output -json` prints.") from exc


def _from_terraform(stage: str) -> dict[str, str]:
    from tooling import SetupError, terraform

    data = BUILD / "deploy" / stage / "terraform"
    if not data.is_dir():
        raise CommandError(
            f"Stage {stage} is not initialised on this machine: run `make plan STAGE={stage}`,"
            " or give --outputs with what `terraform output -json` prints where it is."
        )
    try:
        command = [str(terraform.find_terraform()), f"-chdir={ROOT / 'infra'}", "output", "-json"]
        variables = {**terraform.environment(), "TF_DATA_DIR": str(data)}
    except SetupError as exc:
        raise CommandError(str(exc)) from exc
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise CommandError(f"The outputs of stage {stage} cannot be read:\n{result.stderr.strip()}")
    found = _flat(result.stdout)
    if not found:
        raise CommandError(f"Stage {stage} has no outputs: was it deployed?")
    return found


def _flat(text: str) -> dict[str, str]:
    values = {name: output["value"] for name, output in json.loads(text).items()}
    return {name: value for name, value in values.items() if isinstance(value, str)}
