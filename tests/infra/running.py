"""Runs Terraform on copies of infra/, offline if there is a provider mirror."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tooling import ROOT, terraform

if TYPE_CHECKING:
    from pathlib import Path


REGION = "eu-central-1"


class Terraform:
    """The terraform command in a directory, without AWS credentials of the user."""

    prefix: tuple[str, ...] = ()  # of the command

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
            [*self.prefix, str(terraform.find_terraform()), *arguments],
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
