"""A stage that an earlier release deployed is upgraded in place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from local import emulator
from tests.rehearsal.checkout import inventory
from tests.wire import conformance, records

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from local.emulator import Emulator
    from tests.rehearsal.checkout import Checkout, Finished

pytestmark = pytest.mark.rehearsal

GENERATION = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"


@pytest.fixture(scope="module")
def deployed(second: Checkout, aws: Emulator, old_deployment: Future[Finished]) -> Checkout:
    """The stage as the old release deployed it: with secrets and tables, and in working order."""
    result = old_deployment.result()
    assert result.report["failed"] == "secrets", result.errors
    assert second.herald("secret", "set", "database", typed=second.dsn).code == 0
    assert second.herald("secret", "set", "jwt", "--generate").code == 0
    query(second, second.old_tables())
    record(second, aws)
    return second


def query(stage: Checkout, sql: str) -> list[Any]:
    connection = psycopg2.connect(stage.dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def record(stage: Checkout, aws: Emulator) -> None:
    """Record a result with the old release; the smoke test does not know that release's tables."""
    query(
        stage,
        f"INSERT INTO public.generations (id, user_id, prompt) VALUES ('{GENERATION}', 'u', 'p')",
    )
    report = {
        "generationId": GENERATION,
        "status": "COMPLETE",
        "imageUrl": "https://images.example/1.png",
        "imageHeight": 1,
        "imageWidth": 1,
    }
    answer = aws.client("lambda").invoke(
        FunctionName=stage.output("function_names")["callback"], Payload=json.dumps(report)
    )
    assert json.loads(answer["Payload"].read())["statusCode"] == 200


def tables_of(stage: Checkout) -> set[str]:
    return {stage.output(f"{name}_table") for name in ("api_keys", "connections", "inbox")}


def test_an_upgrade_replaces_the_functions_and_keeps_the_data(
    deployed: Checkout, aws: Emulator
) -> None:
    old = deployed.code()
    tables = tables_of(deployed)
    secret_id = deployed.output("webhook_secret_arn")
    secrets = aws.client("secretsmanager")
    webhook = secrets.get_secret_value(SecretId=secret_id)["SecretString"]
    key = deployed.herald("api-key", "create", "--user", "alice", "--json").report

    result = deployed.today().herald("deploy", "--yes", "--json")

    assert result.code == 0, result.errors
    report = result.report
    assert (report["applied"], report["secrets"], report["smoke"]["passed"]) == (True, [], True)
    assert "aws_dynamodb_table" not in result.errors
    assert deployed.code() != old
    assert {
        deployed.output(f"{name}_table") for name in ("api_keys", "connections", "inbox")
    } == tables
    assert secrets.get_secret_value(SecretId=secret_id)["SecretString"] == webhook
    found = deployed.herald("api-key", "list", "--json").report["keys"]
    assert [each["id"] for each in found] == [key["id"]]
    rows = query(deployed, f"SELECT status FROM herald.generations WHERE id = '{GENERATION}'")
    assert rows == [("COMPLETE",)]


def test_an_upgraded_stage_has_no_further_changes(deployed: Checkout) -> None:
    result = deployed.herald("plan", "--json")

    assert result.code == 0, result.errors
    assert result.report["changes"] is False, result.errors


def test_destroying_an_upgraded_stage_leaves_nothing(deployed: Checkout, aws: Emulator) -> None:
    assert deployed.herald("destroy", "--yes").code == 0

    assert deployed.managed() == []
    assert inventory(aws) == set()


def test_aws_would_accept_every_request_of_the_rehearsal(
    deployed: Checkout, directory: Path
) -> None:
    """Updates and rollbacks make requests that a single deployment does not."""
    every = records.load(emulator.requests_file(directory))
    found = conformance.check([each for each in every if each.service != "s3"])

    assert found.violations == [], "\n".join(found.violations[:20])
    assert {"lambda:UpdateFunctionCode", "apigatewayv2:UpdateStage"} <= set(found.operations)
