"""The AWS emulator of a stack: MiniStack with our wrapper, in a separate Python environment."""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3

from local import processes
from local.ports import free_port
from tooling import ROOT, environments

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ACCOUNT = "000000000000"
REGION = "us-east-1"
SERVICES = (
    "apigateway,cloudwatch,dynamodb,events,iam,kms,lambda,logs,s3,scheduler,secretsmanager,"
    "sns,sqs,sts"
)


class Emulator(NamedTuple):
    """A running emulator, with its port and the access key of the account's root user."""

    port: int
    access_key: str
    secret_key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def aws_environment(self) -> dict[str, str]:
        """Return the environment variables with which an AWS SDK or Terraform uses this
        emulator.
        """
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def client(self, service: str, url: str | None = None) -> Any:
        """Return a boto3 client of the account's root user. It sends requests to the emulator's
        address or, if given, to `url`, the address of one API.
        """
        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        make: Any = boto3.client
        return make(service, endpoint_url=url or self.url, region_name=REGION, **keys)

    def healthy(self) -> bool:
        return answers(f"{self.url}/_ministack/ready")


def requests_file(stack: Path) -> Path:
    """Return the path of the file in which the emulator records every accepted AWS request."""
    return stack / "logs" / "requests.jsonl"


def answers(url: str) -> bool:
    """Whether a GET request to a local `url` is answered with status 200 within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def start(stack: Path, settings: Mapping[str, str], port: int = 0) -> Emulator:
    """Start an emulator for the stack in directory `stack`, on a free port by default; `settings`
    are added to its environment.

    Raises
    ------
    SetupError
        The emulator does not start. The message quotes the end of its log.
    """
    python = environments.ensure("emulator")
    emulator = Emulator(
        port or free_port(), f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20)
    )
    scratch = stack / "tmp"
    scratch.mkdir(exist_ok=True)
    environment = processes.clean_environment(
        stack,
        {
            "AWS_ACCESS_KEY_ID": emulator.access_key,
            "AWS_SECRET_ACCESS_KEY": emulator.secret_key,
            "GATEWAY_PORT": str(emulator.port),
            "MINISTACK_REGION": REGION,
            "SERVICES": SERVICES,
            "AUTH": "true",  # enforces IAM: a missing permission fails as on AWS
            "BIND_HOST": "127.0.0.1",
            # it would listen on all network interfaces and ignore BIND_HOST
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "HERALD_EMULATOR_RECORD": str(requests_file(stack)),
            # does not remove Docker containers when it starts
            "DOCKER_HOST": f"unix://{scratch}/none",
            "TMPDIR": str(scratch),
            **settings,
        },
    )
    log = stack / "logs" / "emulator.log"
    # Without -P, Python would add local/ to the import path, and modules in local/ would hide other
    # modules of the same name.
    command = [str(python), "-P", str(ROOT / "local" / "emulator_app.py"), str(emulator.port)]
    process = processes.start(command, environment=environment, directory=scratch, log=log)
    processes.await_ready(process, emulator.healthy, name="emulator", log=log)
    return emulator
