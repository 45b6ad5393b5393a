"""Fixtures of the Terraform tests."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest
from moto.server import ThreadedMotoServer

from tests.infra.background import RUNS, Run, Runs
from tests.infra.running import REGION, Terraform, copy_of_infra
from tooling import package

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

Resources = dict[str, dict[str, Any]]


def pytest_collection_finish(session: pytest.Session) -> None:
    wanted: list[Run] = [
        cast("Run", item.callspec.params["tested"])
        for item in session.items
        if isinstance(item, pytest.Function) and "tested" in item.fixturenames
    ]
    if wanted and not session.config.option.collectonly:
        session.config.stash[RUNS] = Runs(wanted)


def pytest_unconfigure(config: pytest.Config) -> None:
    if RUNS in config.stash:
        config.stash[RUNS].close()


@pytest.fixture
def tested(request: pytest.FixtureRequest) -> subprocess.CompletedProcess[str]:
    """Return the result of `terraform test`, which began in the background."""
    wanted: Run = request.param
    return request.config.stash[RUNS].result(wanted)


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


@pytest.fixture(scope="session")
def keeping(planning: Terraform) -> Resources:
    """Return the planned resources of a stage with all functions, by address."""
    return planned(planning, "-var=keep_outputs=true")


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
