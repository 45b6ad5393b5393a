"""The bill counts what Terraform makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cli.cost.inputs import MEMORY, Inputs
from cli.cost.quantities import (
    ACCESS_VALUES,
    DATA_KEY_MINUTES,
    FULL,
    HTTP_ACCESS_LINE,
    KEEPING,
    LEAN,
    QUEUES,
    WEBSOCKET_ACCESS_LINE,
    Deployment,
)
from tests.infra.conftest import Resources, planned
from tooling import package

if TYPE_CHECKING:
    from tests.infra.running import Terraform

pytestmark = pytest.mark.infra


@pytest.fixture(scope="module")
def lean(planning: Terraform) -> Resources:
    """Return the planned resources of a lean stage that keeps outputs."""
    return planned(planning, "-var=lean=true", "-var=keep_outputs=true")


def of_type(plan: Resources, kind: str) -> list[dict[str, Any]]:
    return [resource for address, resource in plan.items() if f".{kind}." in address]


def deployment(plan: Resources) -> Deployment:
    read = [
        max(1, sum(bool(query["metric"]) for query in alarm["metric_query"]))
        for alarm in of_type(plan, "aws_cloudwatch_metric_alarm")
    ]
    return Deployment(
        keys=len(of_type(plan, "aws_kms_key")),
        secrets=len(of_type(plan, "aws_secretsmanager_secret")),
        alarm_metrics=sum(read),
        dashboards=len(of_type(plan, "aws_cloudwatch_dashboard")),
    )


def test_a_stage_has_the_billed_keys_secrets_alarms_and_dashboards(
    plan: Resources, keeping: Resources, lean: Resources
) -> None:
    assert deployment(plan) == FULL
    assert deployment(keeping) == with_outputs(FULL, KEEPING.alarm_metrics)
    assert deployment(lean) == with_outputs(LEAN, KEEPING.lean_alarm_metrics)


def with_outputs(stage: Deployment, alarm_metrics: int) -> Deployment:
    return stage._replace(
        keys=stage.keys + KEEPING.keys,
        secrets=stage.secrets + KEEPING.secrets,
        alarm_metrics=stage.alarm_metrics + alarm_metrics,
    )


def test_many_copies_share_a_data_key(keeping: Resources) -> None:
    kind = "aws_s3_bucket_server_side_encryption_configuration"
    [encryption] = of_type(keeping, kind)
    assert encryption["rule"][0]["bucket_key_enabled"] is True


def test_only_a_lean_stage_has_no_backups_of_the_inbox(plan: Resources, lean: Resources) -> None:
    inbox = "module.storage.aws_dynamodb_table.inbox"
    backups = [each[inbox]["point_in_time_recovery"][0]["enabled"] for each in (plan, lean)]
    assert backups == [True, False]


def test_functions_have_the_billed_memory_and_processors(keeping: Resources) -> None:
    functions = {
        address.split(".")[1].removesuffix("[0]"): resource
        for address, resource in keeping.items()
        if address.endswith(".aws_lambda_function.this")
    }
    assert {name: each["memory_size"] for name, each in functions.items()} == MEMORY
    for name, each in functions.items():
        assert each["architectures"] == [package.DEFAULT], name
        assert each["logging_config"][0]["system_log_level"] == "WARN", name
        assert each["tracing_config"][0]["mode"] == "PassThrough", name


@pytest.mark.parametrize(
    ("module", "route", "billed"),
    [
        ("callback_api", "", HTTP_ACCESS_LINE),
        ("websocket", "$disconnect", WEBSOCKET_ACCESS_LINE),
    ],
)
def test_a_line_of_the_access_log_has_the_billed_size(
    plan: Resources, module: str, route: str, billed: int
) -> None:
    stage = plan[f"module.{module}.aws_apigatewayv2_stage.this"]
    line = stage["access_log_settings"][0]["format"]
    values = ACCESS_VALUES | {"$context.routeKey": route}
    assert set(json.loads(line).values()) <= values.keys()
    for variable, value in values.items():
        line = line.replace(variable, value)
    assert len(line) == billed


def test_a_queue_asks_for_data_keys_as_often_as_billed(plan: Resources) -> None:
    queue = plan["module.messaging.aws_sqs_queue.generation_complete"]
    assert queue["kms_data_key_reuse_period_seconds"] == 60 * DATA_KEY_MINUTES
    assert queue["receive_wait_time_seconds"] == 20


def test_the_polls_of_every_queue_are_billed(plan: Resources, keeping: Resources) -> None:
    queues = [len(of_type(each, "aws_lambda_event_source_mapping")) for each in (plan, keeping)]
    assert queues == [QUEUES, QUEUES + KEEPING.queues]


def test_a_stage_keeps_events_and_logs_as_long_as_billed(plan: Resources) -> None:
    assert plan["module.deliver.aws_cloudwatch_log_group.this"]["retention_in_days"] == (
        Inputs().log_days
    )
