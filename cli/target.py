"""The target of a command: a stage on AWS or a local stack.

Commands need a stage's Terraform outputs. `--stage` reads them from its state, and `--outputs` from
a file with the result of `terraform output -json`. Without these options, the target is the first
of these that is given: the local stack in --stack-env or HERALD_STACK_ENV, the stage in the
environment variable STAGE, and the local stack that `make up` started. `--set name=value` overrides
one output; repeated, it can also supply all outputs that a command needs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cli.console import CommandError
from tooling import BUILD, ROOT, SetupError, stack_env
from tooling.stack_env import STACK_ENV

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cli.options import Which

DATABASE_URL = "HERALD_DATABASE_URL"
DATABASE_SCHEMA = "HERALD_DATABASE_SCHEMA"


class Target:
    """A deployment of Herald: its outputs by their Terraform names, and clients for its AWS
    services.
    """

    def __init__(
        self, title: str, outputs: Mapping[str, str], aws: Mapping[str, str] | None = None
    ) -> None:
        self.title = title
        self._outputs = outputs
        self._aws = aws

    def output(self, name: str) -> str:
        """Return a Terraform output; raises CommandError if it is unknown."""
        if value := self._outputs.get(name):
            return value
        raise CommandError(f"The {self.title} has no output {name}: use --set {name}=….")

    def known(self, name: str) -> str | None:
        """Return a Terraform output, or a value of stack.env, if it is known."""
        return self._outputs.get(name)

    def client(self, service: str) -> Any:
        """Return a boto3 client of the target's account."""
        client = self._client(service, None)
        if service != "secretsmanager":
            return client
        from cli.shared_secret import SharedSecrets  # it imports botocore

        return SharedSecrets(client)

    def connections_client(self) -> Any:
        """Return a boto3 client that posts to connections and closes them."""
        return self._client("apigatewaymanagementapi", self.output("management_endpoint"))

    def _client(self, service: str, url: str | None) -> Any:
        import boto3

        if self._aws is None:
            region = self._outputs.get("aws_region") or os.environ.get("AWS_REGION")
            session: Any = boto3.Session(region_name=region)
            return session.client(service, endpoint_url=url)
        # With all of these arguments, boto3 does not use the operator's profile. Otherwise, a local
        # command could reach AWS.
        session = boto3.Session(
            aws_access_key_id=self._aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._aws["AWS_SECRET_ACCESS_KEY"],
            region_name=self._aws["AWS_REGION"],
        )
        return session.client(service, endpoint_url=url or self._aws["AWS_ENDPOINT_URL"])

    def secret_id(self, kind: str) -> str:
        """Return a secret's ARN if the outputs include it, else the secret's name."""
        return self._outputs.get(f"{kind}_secret_arn") or f"herald-{self.output('stage')}-{kind}"

    def secret(self, kind: str) -> str:
        """Return a secret's value; raises botocore's ClientError, e.g. if there is no value."""
        client = self.client("secretsmanager")
        answer = client.get_secret_value(SecretId=self.secret_id(kind))
        if "SecretString" not in answer:
            raise CommandError(f"The {kind} secret is not text: set it with `./herald secret set`.")
        return str(answer["SecretString"]).strip()

    def database_url(self) -> str:
        """Return the DSN from HERALD_DATABASE_URL, else the local stack's DSN, else the DSN in the
        secret.
        """
        known = os.environ.get(DATABASE_URL) or self._outputs.get("database_url")
        return known or self.secret("database")

    def database_schema(self, planned: str = "") -> str:
        """Return the schema of Herald's tables.

        This is HERALD_DATABASE_SCHEMA if it is set, otherwise the schema in the stage's plan,
        otherwise the schema in the outputs or the default.
        """
        return _checked_schema(
            os.environ.get(DATABASE_SCHEMA) or planned or self._outputs.get("database_schema")
        )

    def database(self) -> DatabaseTarget:
        """Return the target's database."""
        return DatabaseTarget(self.database_url(), self.database_schema())


class DatabaseTarget(NamedTuple):
    """A database to work on: its DSN, and the schema of Herald's tables."""

    dsn: str
    schema: str


def choose(which: Which) -> Target:
    """Return the target that the options select.

    Raises
    ------
    CommandError
        No target is given and no local stack is running, or the stage's outputs cannot be read.
    """
    given = _given(which.values)
    if which.outputs:
        return Target(f"stage in {which.outputs}", {**_from_file(which.outputs), **given})
    if which.stage:
        return _stage(which.stage, given)
    # A stack in HERALD_STACK_ENV takes precedence over STAGE, which may be set in the environment
    # for other commands.
    if named := which.stack_env or os.environ.get("HERALD_STACK_ENV"):
        return _stack(Path(named), given)
    if stage := os.environ.get("STAGE"):
        return _stage(stage, given)
    if STACK_ENV.is_file():
        return _stack(STACK_ENV, given)
    if given:
        return Target("target of --set", given)
    raise CommandError(
        "No stage is given: use --stage NAME, or start a local stack with `make up`."
    )


def database(which: Which) -> DatabaseTarget:
    """Return the database to work on.

    If HERALD_DATABASE_URL is set, no target is needed. The schema is then HERALD_DATABASE_SCHEMA,
    the `database_schema` of --set, or the default.

    Raises
    ------
    CommandError
        No database is known, or the schema is not an identifier.
    """
    if dsn := os.environ.get(DATABASE_URL):
        schema = os.environ.get(DATABASE_SCHEMA) or _given(which.values).get("database_schema")
        return DatabaseTarget(dsn, _checked_schema(schema))
    herald = choose(which)
    return herald.database()


def _checked_schema(schema: str | None) -> str:
    from chalicelib.errors import SettingError
    from chalicelib.recording.tables import DEFAULT_SCHEMA, Tables

    try:
        Tables(schema or DEFAULT_SCHEMA)
    except SettingError as exc:
        raise CommandError(str(exc)) from exc
    return schema or DEFAULT_SCHEMA


def _stage(stage: str, given: Mapping[str, str]) -> Target:
    return Target(f"stage {stage}", {"stage": stage, **_from_terraform(stage), **given})


def _stack(path: Path, given: Mapping[str, str]) -> Target:
    if not path.is_file():
        raise CommandError(f"There is no {path}: is the stack running? Start it with `make up`.")
    environment = stack_env.read(path)
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
    from tooling.terraform import read_outputs

    try:
        return _texts(read_outputs(path.read_text()))
    except (OSError, ValueError) as exc:
        raise CommandError(f"{path} is not the output of `terraform output -json`.") from exc


def _from_terraform(stage: str) -> dict[str, str]:
    from tooling import terraform

    data = BUILD / "deploy" / stage / "terraform"
    if not data.is_dir():
        raise CommandError(
            f"Stage {stage} is not initialized on this machine. Run"
            f" `./herald plan --stage {stage}`, or run `terraform output -json` where it is"
            " initialized and give the result as --outputs."
        )
    try:
        variables = {**terraform.environment(), "TF_DATA_DIR": str(data)}
        found = _texts(terraform.outputs(ROOT / "infra", variables))
    except SetupError as exc:
        raise CommandError(f"The outputs of stage {stage} cannot be read: {exc}") from exc
    if not found:
        raise CommandError(f"Stage {stage} has no outputs: was it deployed?")
    return found


def _texts(outputs: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in outputs.items() if isinstance(value, str)}
