"""A checkout of Herald that deploys to an emulator, and functions that inspect the emulator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from local import emulator, overrides, processes
from tooling import BUILD, ROOT, package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.emulator import Emulator

OLD_RELEASE = Path(__file__).with_name("a72f9b6.tar.xz")
BUCKET = "herald-states"
SECONDS = 240  # time limit of a single command

# The stages have no alarms. The emulator returns alarms without most of their settings, so every
# plan would set these again and no plan would be empty. Other suites use a stack with alarms.
_WITHOUT_ALARMS = "".join(
    f'resource "aws_cloudwatch_metric_alarm" "{name}" {{\n  for_each = {{}}\n}}\n'
    for name in ("metric", "expression")
)


class Finished(NamedTuple):
    """A command that has ended."""

    code: int
    output: str
    errors: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON that the command printed with --json."""
        assert self.output, self.errors
        found: dict[str, Any] = json.loads(self.output)
        return found


class Checkout:
    """A copy of the sources with a stage that is deployed to the emulator `aws`.

    The state is in an S3 bucket of the emulator, as on AWS. The override files for the
    emulator are used. Nothing else differs from the sources.
    """

    def __init__(self, directory: Path, stage: str, aws: Emulator, dsn: str) -> None:
        self.directory = directory
        self.stage = stage
        self.dsn = dsn
        self._aws = aws

    def today(self) -> Checkout:
        """Install the sources of this checkout."""
        _copy(self.directory, "app", "chalicelib", "cli", "infra", "migrations", "tooling")
        for name, text in overrides.of_emulator(self._aws.url).items():
            self.write(f"infra/{name}", text)
        self._configure()
        # The package of the original checkout is the same, so it need not be built again.
        shutil.copytree(BUILD / "package", self.directory / "build" / "package", dirs_exist_ok=True)
        return self

    def old(self) -> Path:
        """Install the Terraform configuration of a72f9b6; return that release's package.

        The commands are this checkout's, so they need this checkout's chalicelib. They cannot
        create the tables of that release: see `old_tables`.
        """
        _copy(self.directory, "chalicelib", "cli", "migrations", "tooling")
        release = self.directory / "a72f9b6"
        _copy(release, "tooling")
        with tarfile.open(OLD_RELEASE) as archive:
            archive.extractall(release, filter="data")
        subprocess.run([sys.executable, "-m", "tooling.package"], cwd=release, check=True)
        shutil.copytree(release / "infra", self.directory / "infra")
        # The commands pass the architecture, which that release did not let one choose.
        self.write("infra/architecture.tf", 'variable "architecture" {}\n')
        # That release had no lock file; the version of the provider is the same.
        shutil.copy(ROOT / "infra" / ".terraform.lock.hcl", self.directory / "infra")
        url = f"{self._aws.url}/_aws/execute-api/{{api_id}}"
        self._configure(
            manage_api_gateway_account=False,
            management_endpoint_format=f"{url}/{{stage}}",
            callback_endpoint_format=f"{url}/%24default",
        )
        return release / package.ARCHIVE.relative_to(ROOT)

    def old_tables(self) -> str:
        """Return the SQL that creates the tables of a72f9b6, in the schema that release used."""
        versions = self.directory / "a72f9b6" / "migrations" / "versions"
        first = (versions / "0001_first_tables.py").read_text().split('"""')[3]
        return (
            f"{first}; CREATE TABLE herald_migrations (version_num varchar(32) PRIMARY KEY);"
            " INSERT INTO herald_migrations VALUES ('0001')"
        )

    def write(self, path: str, text: str) -> None:
        (self.directory / path).write_text(text)

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace a text in a source file, which must contain `old`."""
        file = self.directory / path
        text = file.read_text()
        assert old in text, f"{path} no longer has {old!r}"
        file.write_text(text.replace(old, new))

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start `./herald` for the stage, without a terminal."""
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *words, "--stage", self.stage],
            cwd=self.directory,
            env={**self._environment(), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def herald(self, *words: str, typed: str = "", **environment: str) -> Finished:
        """Run `./herald` for the stage to its end."""
        return finish(self.start(*words, **environment), typed)

    def applied(self, count: int) -> None:
        """Wait until the running apply has changed `count` resources."""
        log = self.directory / "build" / "deploy" / self.stage / "apply.log"
        deadline = time.monotonic() + SECONDS
        while not log.exists() or log.read_text().count('"type":"apply_complete"') < count:
            assert time.monotonic() < deadline, "the apply did not get so far"
            time.sleep(0.05)

    def state(self) -> dict[str, Any]:
        """The stage's Terraform state in the bucket."""
        key = f"herald/{self.stage}.tfstate"
        answer = self._aws.client("s3").get_object(Bucket=BUCKET, Key=key)
        found: dict[str, Any] = json.loads(answer["Body"].read())
        return found

    def managed(self) -> list[str]:
        """The resources in the state."""
        every = self.state()["resources"]
        return [f"{each['type']}.{each['name']}" for each in every if each["mode"] == "managed"]

    def locked(self) -> bool:
        """Whether the state is locked, perhaps by a run that was killed."""
        found = self._aws.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return f"herald/{self.stage}.tfstate.tflock" in {each["Key"] for each in found}

    def output(self, name: str) -> Any:
        return self.state()["outputs"][name]["value"]

    def code(self) -> set[str]:
        """The hashes of the packages that the stage's functions run."""
        client = self._aws.client("lambda")
        names = self.output("function_names").values()
        found = [client.get_function_configuration(FunctionName=name) for name in names]
        return {each["CodeSha256"] for each in found}

    def _configure(self, **more: Any) -> None:
        variables: dict[str, Any] = {
            "stage": self.stage,
            "name_prefix": f"{self.stage}-",
            "architecture": package.HOST,  # the emulator runs the functions here
            "jwt_issuer": "https://login.example.com",
            "key_deletion_days": 7,
            "secret_recovery_days": 0,
            "aws_account_id": emulator.ACCOUNT,
            "aws_region": emulator.REGION,
            **more,
        }
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in variables.items()]
        self.write(f"infra/envs/{self.stage}.tfvars", "".join(lines))
        self.write("infra/modules/alarms/alarms_override.tf", _WITHOUT_ALARMS)
        self.write(
            f"infra/envs/{self.stage}.s3.tfbackend",
            f'bucket = "{BUCKET}"\nregion = "us-east-1"\nuse_path_style = true\n',
        )

    def _environment(self) -> dict[str, str]:
        aws = {**self._aws.aws_environment(), "AWS_EC2_METADATA_DISABLED": "true"}
        provider = {
            name: value
            for name, value in os.environ.items()
            if name.startswith("TF_") or name == "PG_BIN"
        }
        own = {**aws, **provider, "HERALD_DATABASE_URL": self.dsn}
        return processes.clean_environment(self.directory, own)


def _copy(directory: Path, *folders: str) -> None:
    """Copy folders of this checkout, without files that tests and runs have created."""
    ignored = shutil.ignore_patterns(".terraform", "__pycache__", "tests", "*.tfstate*")
    for name in folders:
        shutil.rmtree(directory / name, ignore_errors=True)
        shutil.copytree(ROOT / name, directory / name, symlinks=True, ignore=ignored)
    (directory / "requirements").mkdir(exist_ok=True)
    shutil.copy(ROOT / "requirements" / "runtime.txt", directory / "requirements")
    for made in ROOT.glob(".venv*"):
        link = directory / made.name
        if not link.exists():
            link.symlink_to(made)


def finish(process: subprocess.Popen[str], typed: str = "") -> Finished:
    """Wait until a command has ended."""
    output, errors = process.communicate(typed, timeout=SECONDS)
    return Finished(process.returncode, output, errors)


def inventory(aws: Emulator) -> set[str]:
    """Everything on the emulator that a deployment may create, one string for each object.

    KMS keys that are scheduled for deletion do not count, because AWS deletes no key at once.
    """
    return set(_everything(aws))


def _everything(aws: Emulator) -> Iterator[str]:
    for service, operation, path in (
        ("apigatewayv2", "get_apis", ("Items", "Name")),
        ("cloudwatch", "describe_alarms", ("MetricAlarms", "AlarmName")),
        ("cloudwatch", "list_dashboards", ("DashboardEntries", "DashboardName")),
        ("dynamodb", "list_tables", ("TableNames", "")),
        ("events", "list_rules", ("Rules", "Name")),
        ("iam", "list_roles", ("Roles", "RoleName")),
        ("iam", "list_policies", ("Policies", "PolicyName")),
        ("kms", "list_aliases", ("Aliases", "AliasName")),
        ("lambda", "list_event_source_mappings", ("EventSourceMappings", "UUID")),
        ("lambda", "list_functions", ("Functions", "FunctionName")),
        ("logs", "describe_log_groups", ("logGroups", "logGroupName")),
        ("secretsmanager", "list_secrets", ("SecretList", "Name")),
        ("sns", "list_subscriptions", ("Subscriptions", "SubscriptionArn")),
        ("sns", "list_topics", ("Topics", "TopicArn")),
        ("sqs", "list_queues", ("QueueUrls", "")),
    ):
        options = {"Scope": "Local"} if operation == "list_policies" else {}
        client = aws.client(service)
        for page in _pages(client, operation, options):
            for item in page.get(path[0], []):
                yield f"{service} {item[path[1]] if path[1] else item}"
    kms = aws.client("kms")
    for key in kms.list_keys()["Keys"]:
        state = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]
        if state != "PendingDeletion":
            yield f"kms {key['KeyId']}"


def _pages(client: Any, operation: str, options: dict[str, str]) -> Iterator[dict[str, Any]]:
    if client.can_paginate(operation):
        yield from client.get_paginator(operation).paginate(**options)
    else:
        yield getattr(client, operation)(**options)
