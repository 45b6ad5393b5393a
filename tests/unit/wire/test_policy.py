"""The policy of the deploying role: the actions that calls need, and the validity of the
document.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.wire import decode, policy
from tests.wire.records import Request

_AGENT = "APN/1.0 HashiCorp/1.0 Terraform/1.11.4 (+https://www.terraform.io)"
_DOCUMENT: dict[str, Any] = json.loads(policy.DOCUMENT.read_text())


def asked(name: str, **parameters: Any) -> decode.Call:
    service, _, operation = name.partition(":")
    model = decode._model(service).operation_model(operation)
    return decode.Call(service, model, parameters, [])


def statement(sid: str, *calls: decode.Call) -> dict[str, Any]:
    found = policy.document(calls)["Statement"]
    (one,) = [each for each in found if each["Sid"] == sid]
    return dict(one)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("sqs:CreateQueue", "sqs:CreateQueue"),
        ("sqs:SendMessageBatch", "sqs:SendMessage"),
        ("sns:PublishBatch", "sns:Publish"),
        ("dynamodb:BatchWriteItem", "dynamodb:BatchWriteItem"),
        ("lambda:Invoke", "lambda:InvokeFunction"),
        ("apigatewayv2:CreateApi", "apigateway:POST"),
        ("apigatewayv2:DeleteRoute", "apigateway:DELETE"),
        ("apigateway:UpdateAccount", "apigateway:PATCH"),
        ("cloudwatch:PutMetricAlarm", "cloudwatch:PutMetricAlarm"),
    ],
)
def test_an_operation_needs_its_action(operation: str, action: str) -> None:
    assert policy.action(asked(operation)) == action


def test_only_terraform_counts() -> None:
    headers = {"x-amz-target": "AmazonSQS.ListQueues", "content-type": "application/x-amz-json-1.0"}
    others = Request("sqs", "POST", "/", headers=headers, body=b"{}")
    its = Request("sqs", "POST", "/", headers={**headers, "user-agent": _AGENT}, body=b"{}")
    assert [call.name for call in policy.calls([others, its, others])] == ["sqs:ListQueues"]


def test_what_a_call_asks_for_besides_depends_on_what_it_says() -> None:
    logged = asked("apigatewayv2:CreateStage", AccessLogSettings={"Format": "x"})
    assert "logs:CreateLogDelivery" in statement("AskedBesides", logged)["Action"]
    plain = asked("apigatewayv2:CreateStage")
    assert statement("AskedBesides", plain)["Action"] == []


def test_roles_are_given_to_the_services_that_were_asked_alone() -> None:
    given = statement("GivenToServices", asked("lambda:CreateFunction"))
    assert given["Condition"] == {"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com"]}}
    assert given["Resource"] != "*"


def test_the_document_fits_a_managed_policy_and_names_actions_once() -> None:
    text = json.dumps(_DOCUMENT, separators=(",", ":"))
    assert len(text) <= 6_144
    actions = [each for one in _DOCUMENT["Statement"] for each in one["Action"]]
    assert len(actions) == len(set(actions))
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", each) for each in actions)
    assert policy.DOCUMENT.read_text() == policy.text(_DOCUMENT)


def test_nothing_over_roles_is_for_all_roles() -> None:
    for one in _DOCUMENT["Statement"]:
        if any(each.startswith("iam:") for each in one["Action"]):
            assert one["Resource"] != "*" or "Condition" in one, one["Sid"]
