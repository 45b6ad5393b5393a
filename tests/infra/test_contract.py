"""Chalice and Terraform describe the same application."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import hcl2
import pytest

from chalicelib import metrics, settings
from chalicelib.protocol import client_frames
from chalicelib.protocol.events import PROGRESS
from chalicelib.telemetry import NAMESPACE
from cli.cost.quantities import KEEPALIVE
from tooling import ROOT, package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.conftest import Resources
    from tests.infra.running import Terraform

pytestmark = pytest.mark.infra

WEBSOCKET = "modules/websocket"
NAME = re.compile(r"\bHERALD_[A-Z_]+\b")
# Chalice names WebSocket functions by route; the attribute `handler` has the handler's own name
WEBSOCKET_NAMES = {
    "websocket_connect": "connect",
    "websocket_disconnect": "disconnect",
    "websocket_message": "message",
}


@pytest.fixture(scope="module")
def chalice() -> dict[str, Resources]:
    """Return the resources in Chalice's own Terraform: type → name → attributes."""
    package.build()
    generated = json.loads(package.ARCHIVE.with_name("chalice.tf.json").read_text())
    resources: dict[str, Resources] = generated["resource"]
    return resources


@pytest.fixture(scope="module")
def plan(keeping: Resources) -> Resources:
    """Return the planned resources of a stage with all functions, by address."""
    return keeping


def functions(plan: Resources) -> Iterator[tuple[str, dict[str, Any]]]:
    for address, resource in plan.items():
        if address.endswith(".aws_lambda_function.this"):
            yield address.split(".")[1].partition("[")[0], resource


def environment_names(handler: str) -> set[str]:
    """Return the names in a function's environment from the HCL, because no plan shows them."""
    expression = str(module(handler)["environment"])
    shared = hcl("locals.tf")["locals"][0] | hcl("kept_outputs.tf")["locals"][0]
    names = set(NAME.findall(expression)) | set(shared["function"]["environment"])
    for local in re.findall(r"local\.(\w+_environment)", expression):
        names |= set(shared[local])
    return {name for name in names if name.startswith("HERALD_")}


def module(handler: str) -> dict[str, Any]:
    """Return the arguments of a function's module in the root module."""
    [block] = hcl(f"{handler}.tf")["module"]
    arguments: dict[str, Any] = block[f'"{handler}"']
    return arguments


def hcl(name: str) -> dict[str, Any]:
    with (ROOT / "infra" / name).open() as file:
        return hcl2.load(file)


def test_handlers(chalice: dict[str, Resources], plan: Resources) -> None:
    registered = {
        WEBSOCKET_NAMES.get(name, name): function["handler"]
        for name, function in chalice["aws_lambda_function"].items()
    }
    assert {name: function["handler"] for name, function in functions(plan)} == registered
    assert len(registered) == 10


def test_names(plan: Resources) -> None:
    for name, function in functions(plan):
        assert function["function_name"] == f"herald-test-{name}"


def test_environment_names(chalice: dict[str, Resources]) -> None:
    registered = {
        WEBSOCKET_NAMES.get(name, name): set(function["environment"]["variables"])
        for name, function in chalice["aws_lambda_function"].items()
    }
    assert {name: environment_names(name) for name in registered} == registered


def test_the_settings_are_those_that_terraform_sets() -> None:
    for handler in settings.FUNCTIONS:
        wanted = {settings.variable(field) for field in settings.fields(handler)}
        assert environment_names(handler) == wanted, handler


def test_the_settings_are_those_that_chalice_knows(chalice: dict[str, Resources]) -> None:
    for name, function in chalice["aws_lambda_function"].items():
        handler = WEBSOCKET_NAMES.get(name, name)
        wanted = {settings.variable(field) for field in settings.fields(handler)}
        assert set(function["environment"]["variables"]) == wanted, name
    assert len(settings.FUNCTIONS) == len(chalice["aws_lambda_function"])


def test_extra_environment_reaches_every_function(plan: Resources) -> None:
    shared = hcl("locals.tf")["locals"][0]["function"]
    assert shared["environment_overrides"] == "${var.extra_environment}"
    for name, _ in functions(plan):
        assert module(name)["shared"] == "${local.function}", f"{name} does not get it"


def test_runtime(chalice: dict[str, Resources], plan: Resources) -> None:
    packaged = {function["runtime"] for function in chalice["aws_lambda_function"].values()}
    assert {function["runtime"] for _, function in functions(plan)} == packaged


def test_a_stage_is_bound_to_its_account(planning: Terraform) -> None:
    result = planning.run("plan", "-no-color", "-var=aws_account_id=210987654321")
    assert result.returncode == 1
    assert "AWS account ID not allowed: 123456789012" in result.stderr


def test_a_role_has_the_path_and_boundary_of_the_stage(plan: Resources) -> None:
    shared = hcl("locals.tf")["locals"][0]["function"]
    assert shared["role"] == {
        "path": "${var.role_path}",
        "permissions_boundary_arn": "${var.permissions_boundary_arn}",
    }
    roles = {address for address in plan if ".aws_iam_role." in address}
    owners = {address.split(".")[1].partition("[")[0] for address in roles}
    assert (owners, len(roles)) == ({name for name, _ in functions(plan)}, len(owners))


def test_batch_size(chalice: dict[str, Resources], plan: Resources) -> None:
    registered = chalice["aws_lambda_event_source_mapping"]
    [deliver] = [each for key, each in registered.items() if "deliver" in key]
    [keep] = [each for key, each in registered.items() if "keep" in key]
    for mapping, found, copies in (
        ('module.deliver.aws_lambda_event_source_mapping.queue["events"]', deliver, 7),
        ('module.deliver.aws_lambda_event_source_mapping.queue["progress"]', deliver, 2),
        ('module.keep[0].aws_lambda_event_source_mapping.queue["events"]', keep, 10),
    ):
        assert plan[mapping]["batch_size"] == found["batch_size"]
        assert plan[mapping]["scaling_config"] == [{"maximum_concurrency": copies}]


def test_only_progress_waits_for_a_batch(plan: Resources) -> None:
    mapping = "module.deliver.aws_lambda_event_source_mapping.queue"
    window = "maximum_batching_window_in_seconds"
    assert not plan[f'{mapping}["events"]'][window]
    assert plan[f'{mapping}["progress"]'][window] == 1


def test_the_queues_are_selected_by_the_type_of_progress(plan: Resources) -> None:
    policies = {
        name: json.loads(
            plan[f"module.messaging.aws_sns_topic_subscription.{name}"]["filter_policy"]
        )
        for name in ("progress", "queue")
    }
    assert policies == {
        "progress": {"type": [PROGRESS]},
        "queue": {"type": [{"anything-but": [PROGRESS]}]},
    }


def test_visibility_is_six_timeouts(plan: Resources) -> None:
    queue = plan["module.messaging.aws_sqs_queue.generation_complete"]
    timeout = dict(functions(plan))["deliver"]["timeout"]
    assert queue["visibility_timeout_seconds"] == 6 * timeout


def test_schedules(chalice: dict[str, Resources], plan: Resources) -> None:
    registered = chalice["aws_cloudwatch_event_rule"]
    assert len(registered) == 2
    for name, rule in registered.items():
        handler = name.partition("-")[0]
        deployed = plan[f"module.{handler}_schedule.aws_cloudwatch_event_rule.this"]
        assert deployed["schedule_expression"] == rule["schedule_expression"], name


def test_a_killed_copy_is_received_again_soon_after_its_timeout(plan: Resources) -> None:
    queue = plan["module.outputs[0].aws_sqs_queue.keep"]
    timeout = dict(functions(plan))["keep"]["timeout"]
    assert queue["visibility_timeout_seconds"] == timeout + 30


def test_routes(chalice: dict[str, Resources], plan: Resources) -> None:
    registered = {route["route_key"] for route in chalice["aws_apigatewayv2_route"].values()}
    deployed = {
        resource["route_key"]
        for address, resource in plan.items()
        if address.startswith("module.websocket.aws_apigatewayv2_route.")
    }
    assert registered == {"$connect", "$default", "$disconnect"}
    assert deployed == registered | {"keepalive"}, "API Gateway accepts keepalives itself"


def test_keepalives_are_announced_exactly_if_their_route_exists(plan: Resources) -> None:
    route = plan["module.websocket.aws_apigatewayv2_route.keepalive"]
    assert route["route_key"] in client_frames.SCHEMA["choices"]
    outputs = {
        name: value
        for each in hcl(f"{WEBSOCKET}/outputs.tf")["output"]
        for name, value in each.items()
    }
    assert outputs['"keepalive_ms"']["depends_on"] == ["${aws_apigatewayv2_route.keepalive}"]
    assert "HERALD_KEEPALIVE_MS = module.websocket.keepalive_ms" in module("message")["environment"]


def test_the_bill_counts_the_keepalives_that_terraform_asks_for() -> None:
    [local] = hcl(f"{WEBSOCKET}/main.tf")["locals"]
    assert local["keepalive_ms"] == KEEPALIVE.longest_minutes * 60_000


def alarms(plan: Resources) -> list[dict[str, Any]]:
    found = [
        resource
        for address, resource in plan.items()
        if address.startswith("module.alarms.aws_cloudwatch_metric_alarm.")
    ]
    assert len(found) > 25
    return found


def test_alarmed_metrics_are_in_the_registry(plan: Resources) -> None:
    metrics_of = [alarm for alarm in alarms(plan) if alarm["namespace"]]
    for alarm in alarms(plan):
        metrics_of += [each for query in alarm["metric_query"] for each in query["metric"]]
    named = {each["metric_name"] for each in metrics_of if each["namespace"] == NAMESPACE}
    assert {"OutboxOldestSeconds", "CredentialsRefused"} <= named
    assert named <= set(metrics.REGISTRY)


@pytest.mark.parametrize(
    ("invocations", "errors", "refused", "raised"),
    [
        (1_000, 1_000, 1_000, False),  # the only client has an invalid credential
        (1_000, 1_000, 997, False),  # CloudWatch counts some refusals in the next minute
        (1_000, 996, 990, True),  # refusals do not hide that the others fail
        (10, 10, None, True),  # there is no refusal, for example because the function cannot start
        (10, 4, 0, False),
    ],
)
def test_only_failures_of_authorize_raise_its_alarm(
    plan: Resources, invocations: int, errors: int, refused: int | None, raised: bool
) -> None:
    alarm = plan['module.alarms.aws_cloudwatch_metric_alarm.expression["authorize-errors"]']
    [expression] = [query["expression"] for query in alarm["metric_query"] if query["expression"]]
    names = {
        "IF": lambda condition, then, otherwise: then if condition else otherwise,
        "FILL": lambda value, default: default if value is None else value,
        "invocations": invocations,
        "errors": errors,
        "refused": refused,
    }
    try:
        value = eval(expression, {"__builtins__": {}}, names)  # noqa: S307
    except ZeroDivisionError:
        value = 0  # CloudWatch has no value, and missing data does not raise the alarm
    assert (value > alarm["threshold"]) is raised


def test_every_alarm_has_its_runbook(plan: Resources) -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    headings = set(re.findall(r"^#+ (.+)$", operations, re.MULTILINE))
    named = {alarm["alarm_description"].rpartition("#")[2] for alarm in alarms(plan)}
    assert named <= headings, f"docs/operations.md has no heading for {sorted(named - headings)}"
