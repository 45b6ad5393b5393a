"""Fixtures of the Terraform tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from moto.server import ThreadedMotoServer

from tests.infra.background import RUNS, Run, Runs
from tests.infra.running import REGION, Terraform, copy_of_infra

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


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
