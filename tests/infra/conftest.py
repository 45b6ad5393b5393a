"""Run Terraform on copies of infra/, offline if there is a provider mirror."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from moto.server import ThreadedMotoServer

from tooling import ROOT, package, terraform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "eu-central-1"

Resources = dict[str, dict[str, Any]]


class Terraform:
    """The terraform command in a directory, without AWS credentials of the user."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.directory = directory
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = terraform.environment({**own, **variables})

    def at(self, directory: str) -> Terraform:
        """Return the same command for a subdirectory."""
        other = Terraform(self.directory / directory)
        other.environment = self.environment
        return other

    def init(self) -> Terraform:
        terraform.init(self.directory, self.environment, "-backend=false")
        return self

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(terraform.find_terraform()), *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, *arguments: str) -> str:
        """Run the command, which must succeed, and return its standard output."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


def copy_of_infra(target: Path) -> Path:
    """Copy infra/, its lock file included, without the files that Terraform created in it."""
    ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "*_override.tf")
    return shutil.copytree(ROOT / "infra", target, ignore=ignored)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Return an initialised copy of the root module."""
    return Terraform(copy_of_infra(tmp_path_factory.mktemp("root") / "infra")).init()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Start a moto server and return its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def moto_environment(moto_url: str) -> dict[str, str]:
    """Return the environment in which Terraform and boto3 use moto instead of AWS."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="session")
def planning(
    tmp_path_factory: pytest.TempPathFactory, moto_environment: dict[str, str]
) -> Terraform:
    """Return an initialised copy of the root module, with the variables of a stage on moto."""
    package.build()
    directory = copy_of_infra(tmp_path_factory.mktemp("plan") / "infra")
    (directory / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    variables = {
        "aws_account_id": "123456789012",  # moto's
        "aws_region": REGION,
        "stage": "test",
        "jwt_issuer": "https://login.example.com",
        "lambda_runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "package_path": str(package.ARCHIVE),
        "deliver_maximum_concurrency": "7",
    }
    (directory / "terraform.tfvars.json").write_text(json.dumps(variables))
    planning = Terraform(directory, **moto_environment)
    planning.output("init", "-no-color")
    return planning


@pytest.fixture(scope="session")
def plan(planning: Terraform) -> Resources:
    """Return the planned resources of the root module by address; unknown values are True."""
    return planned(planning)


def planned(planning: Terraform, *options: str) -> Resources:
    """Return the planned resources with further options, as `plan` does."""
    planning.output("plan", "-no-color", "-out=plan.bin", *options)
    shown = json.loads(planning.output("show", "-json", "plan.bin"))
    return {
        change["address"]: merge(change["change"]["after"], change["change"]["after_unknown"])
        for change in shown["resource_changes"]
        if change["mode"] == "managed"
    }


def merge(known: Any, unknown: Any) -> Any:
    """Return the planned attributes. The value is True for each attribute that is unknown before
    apply.
    """
    if isinstance(known, dict) and isinstance(unknown, dict):
        return {key: merge(known.get(key), unknown.get(key)) for key in known | unknown}
    if isinstance(known, list) and isinstance(unknown, list) and len(known) == len(unknown):
        return [merge(*pair) for pair in zip(known, unknown, strict=True)]
    return True if unknown is True else known
