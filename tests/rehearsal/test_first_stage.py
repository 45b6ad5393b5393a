"""A stage from its first deployment to its destruction: each test continues the previous one."""

from __future__ import annotations

import base64
import signal
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from tests.rehearsal.checkout import finish, inventory

if TYPE_CHECKING:
    from local.emulator import Emulator
    from tests.rehearsal.checkout import Checkout

pytestmark = [pytest.mark.rehearsal, pytest.mark.usefixtures("old_deployment")]

HALF = 45  # of the resources of a stage
STEPS = {"row", "key", "connect", "webhook", "event"}


def deployment_of(stage: Checkout, aws: Emulator) -> Any:
    """The deployment that the WebSocket API's stage serves."""
    gateway = aws.client("apigatewayv2")
    found = gateway.get_stage(ApiId=stage.output("websocket_api_id"), StageName=stage.stage)
    return found["DeploymentId"]


def test_an_interrupted_deployment_keeps_its_state_and_no_lock(first: Checkout) -> None:
    process = first.start("deploy", "--yes", "--json")
    first.applied(HALF)
    process.send_signal(signal.SIGINT)
    result = finish(process)

    assert result.code == 1, result.errors
    assert "terraform apply was interrupted" in result.errors
    assert "run the same command again" in result.errors
    assert (result.report["failed"], result.report["applied"]) == ("apply", False)
    assert len(first.managed()) > HALF / 2  # all resources of one for_each are one entry
    assert not first.locked()


def test_the_same_command_finishes_the_deployment_and_names_missing_secrets(
    first: Checkout,
) -> None:
    result = first.herald("deploy", "--yes", "--json")

    assert result.code == 1, result.errors
    report = result.report
    assert (report["failed"], report["applied"], report["smoke"]) == ("secrets", True, None)
    assert "The webhook secret was generated." in result.errors
    assert "./herald secret set database --stage first < dsn.txt" in result.errors
    assert "./herald secret set jwt --stage first" in result.errors
    assert "whsec_" not in result.errors + result.output


def test_with_its_secrets_the_stage_works(first: Checkout) -> None:
    assert first.herald("secret", "set", "database", typed=first.dsn).code == 0
    assert first.herald("secret", "set", "jwt", "--generate").code == 0

    result = first.herald("deploy", "--yes", "--json")

    assert result.code == 0, result.errors
    report = result.report
    outcome = (report["changes"], report["applied"], report["failed"])
    assert outcome == (False, False, None), result.errors
    assert report["smoke"]["passed"]
    assert set(report["smoke"]["steps"]) == STEPS


def test_the_smoke_test_leaves_nothing_behind(first: Checkout, aws: Emulator) -> None:
    connection = psycopg2.connect(first.dsn)
    with connection, connection.cursor() as cursor:
        for table in ("generations", "outbox", "streams", "webhook_receipts"):
            cursor.execute(f"SELECT count(*) FROM herald.{table}")
            assert cursor.fetchone() == (0,), table
    connection.close()
    dynamodb = aws.client("dynamodb")
    for name in ("api_keys_table", "connections_table", "inbox_table"):
        assert dynamodb.scan(TableName=first.output(name))["Items"] == [], name


def test_a_failed_smoke_test_says_which_step_and_leaves_nothing_behind(
    first: Checkout, aws: Emulator
) -> None:
    result = first.herald(
        "smoke", "--json", "--timeout", "3s", "--set", "callback_url=http://127.0.0.1:9/"
    )

    assert result.code == 1
    assert (result.report["failed"], result.report["left"]) == ("webhook", [])
    assert "Look at the log of callback" in result.errors
    test_the_smoke_test_leaves_nothing_behind(first, aws)


def test_a_new_release_with_a_route_is_deployed_again(first: Checkout, aws: Emulator) -> None:
    before, code = deployment_of(first, aws), first.code()
    first.replace(
        "infra/modules/websocket/main.tf",
        'disconnect = { key = "$disconnect",',
        'probe      = { key = "probe", authorized = false, answers = true }\n'
        '    disconnect = { key = "$disconnect",',
    )
    first.replace(
        "infra/modules/websocket/main.tf",
        "var.invoke_arns[each.key]",
        "lookup(var.invoke_arns, each.key, var.invoke_arns.message)",
    )
    first.write("chalicelib/next_release.py", '"""A module that only the next release has."""\n')

    result = first.herald("deploy", "--yes", "--json")

    assert result.code == 0, result.errors
    assert result.report["smoke"]["passed"]
    assert "module.websocket.aws_apigatewayv2_deployment.this, because of triggers" in result.errors
    assert deployment_of(first, aws) != before
    assert len(first.code()) == 1
    assert first.code() != code


def test_a_rollback_restores_the_previous_package(first: Checkout) -> None:
    kept = (first.directory / "build" / "packages" / "first").glob("*.zip")
    older, _ = sorted(kept, key=lambda path: path.stat().st_mtime_ns)

    result = first.herald("rollback", "--yes", "--json")

    assert result.code == 0, result.errors
    assert result.report["smoke"]["passed"]
    # The package's file name is its hash in hexadecimal; Lambda returns the hash in base64.
    assert first.code() == {base64.b64encode(bytes.fromhex(older.stem)).decode()}


def test_destroying_the_stage_leaves_nothing(first: Checkout, aws: Emulator) -> None:
    assert any("first" in each for each in inventory(aws))

    result = first.herald("destroy", "--yes", "--json")

    assert result.code == 0, result.errors
    assert result.report["applied"]
    assert "(its data is lost)" in result.errors
    assert first.managed() == []
    assert {each for each in inventory(aws) if "first" in each} == set()
