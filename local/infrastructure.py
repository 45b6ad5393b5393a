"""Applies the project's Terraform configuration to a stack's emulator and sets the secrets."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

from local import overrides, processes
from local.emulator import ACCOUNT, REGION
from tooling import ROOT, package, terraform
from tooling.progress import Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from local.emulator import Emulator

_SOURCE = ROOT / "infra"
_PACKAGES = "herald-packages"  # the bucket with the functions' package

_ADDRESSES = (
    "api_keys_table",
    "callback_url",
    "callbacks_url",
    "connections_table",
    "dlq_url",
    "error_topic_arn",
    "inbox_table",
    "keep_dlq_url",
    "keep_queue_url",
    "management_endpoint",
    "outputs_bucket",
    "outputs_table",
    "queue_url",
    "subscription_dlq_url",
    "topic_arn",
    "websocket_url",
)


def fingerprint() -> str:
    """Return a hash of all files that are applied."""
    digest = hashlib.sha256()
    for path in _files():
        digest.update(str(path.relative_to(_SOURCE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def prepare(
    stack: Path,
    emulator: Emulator,
    stage: str,
    api_ids: Mapping[str, str],
    provider_apis: Mapping[str, str],
) -> None:
    """Copy infra/ with its overrides into the stack's directory, and initialise it.

    `api_ids` are the ids of the APIs `websocket` and `callback`.

    Raises
    ------
    SetupError
        The provider is unavailable. The message quotes Terraform's message.
    """
    directory = _copy(stack)
    files = overrides.of_stack(
        emulator.url, provider_apis, api_ids, stage, package_bucket=_PACKAGES
    )
    for name, text in files.items():
        (directory / name).write_text(text)
    with Step("Terraform init"):
        terraform.init(directory, _environment(stack, emulator), "-lockfile=readonly")


def apply(
    stack: Path, emulator: Emulator, variables: Mapping[str, Any], secrets: Mapping[str, str]
) -> None:
    """Apply the prepared configuration to `emulator` and set the values of `secrets`.

    Raises
    ------
    SetupError
        Terraform failed. The message quotes Terraform's message.
    """
    directory = stack / "infra"
    wired = {
        "aws_account_id": ACCOUNT,
        "aws_region": REGION,
        "lambda_runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "architecture": package.HOST,
        "log_level": "DEBUG",
        "package_path": str(package.ARCHIVE),
        **variables,
    }
    (directory / "local.auto.tfvars.json").write_text(json.dumps(wired, indent=2))
    _upload_package(emulator)
    environment = _environment(stack, emulator)
    log = stack / "logs" / "terraform.log"
    with Step("Terraform apply") as step:
        count, outputs = terraform.apply(directory, environment, step, log)
        step.done(f"{count} resources")
    (stack / "outputs.json").write_text(json.dumps(outputs, indent=2))
    client = emulator.client("secretsmanager")
    for name, value in secrets.items():
        if not outputs[f"{name}_secret_arn"]:
            continue  # of a part that the variables turn off
        client.put_secret_value(SecretId=outputs[f"{name}_secret_arn"], SecretString=value)


def _upload_package(emulator: Emulator) -> None:
    client = emulator.client("s3")
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=_PACKAGES)
    client.put_object(Bucket=_PACKAGES, Key="package.zip", Body=package.ARCHIVE.read_bytes())


def addresses(stack: Path) -> dict[str, str]:
    """Return the Terraform outputs by their names in stack.env."""
    outputs = json.loads((stack / "outputs.json").read_text())
    return {f"HERALD_{name.upper()}": outputs[name] for name in _ADDRESSES}


def forget(stack: Path) -> None:
    """Delete the Terraform state. Its resources no longer exist once the emulator has stopped."""
    for path in (stack / "infra").glob("terraform.tfstate*"):
        path.unlink()
    (stack / "infra" / ".terraform.tfstate.lock.info").unlink(missing_ok=True)
    (stack / "outputs.json").unlink(missing_ok=True)


def _files() -> Iterator[Path]:
    for path in sorted(_SOURCE.rglob("*")):
        if path.suffix in (".tf", ".hcl") and not {".terraform", "tests"} & set(path.parts):
            yield path


def _copy(stack: Path) -> Path:
    """Copy infra/ into the stack's directory, so that state and override files are not in the
    sources.
    """
    directory = stack / "infra"
    for old in directory.rglob("*.tf"):
        if ".terraform" not in old.parts:
            old.unlink()
    for path in _files():
        target = directory / path.relative_to(_SOURCE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return directory


def _environment(stack: Path, emulator: Emulator) -> dict[str, str]:
    aws = {**emulator.aws_environment(), "AWS_EC2_METADATA_DISABLED": "true"}
    return terraform.environment(processes.clean_environment(stack, aws))
