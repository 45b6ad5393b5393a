"""The comparison with AWS's models reports exactly the planted violations, in each protocol."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.wire import conformance, decode, records, shapes
from tests.wire.records import Request

if TYPE_CHECKING:
    from pathlib import Path

_NOW = 1_790_000_000.0
_QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
_FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def sqs(name: str = "SendMessage", **members: Any) -> Request:
    """A request of SQS, in the JSON 1.0 protocol."""
    body = {"QueueUrl": _QUEUE, "MessageBody": "hello", **members}
    return _json("sqs", f"AmazonSQS.{name}", "1.0", body)


def dynamodb(**members: Any) -> Request:
    """A request that creates a DynamoDB table. Its model has enums, ranges and patterns."""
    body = {
        "TableName": "connections",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        **members,
    }
    return _json("dynamodb", "DynamoDB_20120810.CreateTable", "1.0", body)


def _json(service: str, target: str, version: str, body: dict[str, Any]) -> Request:
    headers = {"x-amz-target": target, "content-type": f"application/x-amz-json-{version}"}
    # A member that is None is left out of the request. json.dumps would write it as null.
    present = {name: value for name, value in body.items() if value is not None}
    return Request(
        service, "POST", "/", headers=headers, body=json.dumps(present).encode(), at=_NOW
    )


def alarm(**fields: str) -> Request:
    """A request of CloudWatch for an alarm, in the query protocol."""
    form = {
        "Action": "PutMetricAlarm",
        "Version": "2010-08-01",
        "AlarmName": "dead-letters",
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": "1",
        "Threshold": "0",
        "ActionsEnabled": "true",
        "AlarmActions.member.1": "arn:aws:sns:us-east-1:123456789012:t",
        "Dimensions.member.1.Name": "Stage",
        "Dimensions.member.1.Value": "prod",
        **fields,
    }
    body = urlencode({name: value for name, value in form.items() if value != "-"}).encode()
    return Request("monitoring", "POST", "/", headers=_FORM, body=body, at=_NOW)


def publish(**fields: str) -> Request:
    """A publish request of SNS, in the query protocol with a map."""
    form = {
        "Action": "Publish",
        "Version": "2010-03-31",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:t",
        "Message": "hello",
        "MessageAttributes.entry.1.Name": "type",
        "MessageAttributes.entry.1.Value.DataType": "String",
        "MessageAttributes.entry.1.Value.StringValue": "x",
        **fields,
    }
    return Request("sns", "POST", "/", headers=_FORM, body=urlencode(form).encode(), at=_NOW)


def function(**members: Any) -> Request:
    """A request that creates a Lambda function, in the REST protocol with JSON."""
    body = {
        "FunctionName": "deliver",
        "Role": "arn:aws:iam::123456789012:role/deliver",
        "Runtime": "python3.13",
        "Handler": "app.deliver",
        "Code": {"ZipFile": "UEsFBg=="},
        "Timeout": 20,
        "Environment": {"Variables": {"HERALD_STAGE": "prod"}},
        **members,
    }
    text = json.dumps({name: value for name, value in body.items() if value is not None})
    return Request("lambda", "POST", "/2015-03-31/functions", body=text.encode(), at=_NOW)


def route(**members: Any) -> Request:
    """A request for an API Gateway route, in the REST protocol with JSON. Its members have
    different names in JSON.
    """
    body = {"routeKey": "$connect", "authorizationType": "CUSTOM", **members}
    text = json.dumps({name: value for name, value in body.items() if value is not None})
    return Request("apigateway", "POST", "/v2/apis/abc123/routes", body=text.encode(), at=_NOW)


def post(body: bytes = b"hello", connection: str = "L0SM9cOFvHcCIhw%3D", **more: Any) -> Request:
    """A request that posts a frame to a connection, in the REST protocol with a payload and with
    the emulator's path.
    """
    path = f"/_aws/execute-api/abc12345/prod/@connections/{connection}"
    return Request("execute-api", "POST", path, body=body, at=_NOW, **more)


def s3(
    method: str = "POST",
    query: str = "uploadId=u",
    body: bytes = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag>"
    b"</Part></CompleteMultipartUpload>",
    **headers: str,
) -> Request:
    """A request for an object, in the REST protocol with XML."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("s3", method, "/bucket/a/b/0", query, given, body, _NOW)


def short(parameter: Any) -> str:
    """Return a short id for a test instead of the whole request."""
    return parameter.service if isinstance(parameter, Request) else str(parameter)


def found(request: Request) -> list[str]:
    return conformance.check([request]).violations


@pytest.mark.parametrize(
    ("request_", "operation"),
    [
        (sqs(), "sqs:SendMessage"),
        (dynamodb(), "dynamodb:CreateTable"),
        (alarm(), "cloudwatch:PutMetricAlarm"),
        (publish(), "sns:Publish"),
        (function(), "lambda:CreateFunction"),
        (route(), "apigatewayv2:CreateRoute"),
        (post(), "apigatewaymanagementapi:PostToConnection"),
        (s3(), "s3:CompleteMultipartUpload"),
        (s3(query="uploads=", body=b""), "s3:CreateMultipartUpload"),
        (s3("PUT", "partNumber=1&uploadId=u", b"\xff"), "s3:UploadPart"),
        (s3("PUT", "", b"\xff", content_type="image/png"), "s3:PutObject"),
        (s3("GET", "part-number-marker=0&uploadId=u", b""), "s3:ListParts"),
        (s3("GET", "X-Amz-Expires=900&X-Amz-Security-Token=t", b""), "s3:GetObject"),
        (s3("DELETE", "uploadId=u", b""), "s3:AbortMultipartUpload"),
    ],
    ids=short,
)
def test_a_right_request_passes(request_: Request, operation: str) -> None:
    report = conformance.check([request_])
    assert report.violations == []
    assert dict(report.operations) == {operation: 1}


@pytest.mark.parametrize(
    ("request_", "planted"),
    [
        # a required member is missing
        (sqs(MessageBody=None), ".MessageBody is missing"),
        (dynamodb(KeySchema=None, TableName=None), ".TableName is missing"),
        (alarm(AlarmName="-"), ".AlarmName is missing"),
        (function(Role=None), ".Role is missing"),
        (route(routeKey=None), ".RouteKey is missing"),
        (dynamodb(KeySchema=[{"KeyType": "HASH"}]), ".KeySchema[0].AttributeName is missing"),
        (alarm(**{"Dimensions.member.1.Value": "-"}), ".Dimensions[0].Value is missing"),
        # a member is unknown
        (sqs(MessageBoddy="x"), ".MessageBoddy"),
        (dynamodb(SSESpecification={"Enabld": True}), ".SSESpecification.Enabld"),
        (alarm(Thresholds="1"), "Thresholds is not a field"),
        (publish(**{"MessageAttributes.entry.1.Value.Kind": "x"}), "1.Value.Kind is not a field"),
        (function(Runtimes="python3.13"), ".Runtimes"),
        (function(Environment={"Variabels": {}}), ".Environment.Variabels"),
        (route(RouteKey="$connect"), ".RouteKey (on the wire) is unknown"),
        (replace(post(), query="x=1"), "x is not in the query"),
        (replace(function(), headers={"x-amz-invocation": "x"}), "x-amz-invocation is not one"),
        (s3(body=b"<CompleteMultipartUpload><Parts/></CompleteMultipartUpload>"), "Parts is not"),
        (s3("GET", "uploadId=u&marker=0", b""), "marker is not in the query"),
        (s3("PUT", "partNumber=1&uploadId=u", x_amz_acl="private"), "x-amz-acl is not one"),
        # a type is wrong
        (s3(body=s3().body.replace(b">1<", b">one<")), "PartNumber"),
        (s3("PUT", "partNumber=one&uploadId=u", b""), "PartNumber"),
        (sqs(DelaySeconds="1"), ".DelaySeconds: '1' is not an integer"),
        (dynamodb(DeletionProtectionEnabled="true"), "is not a boolean"),
        (dynamodb(KeySchema={"AttributeName": "id"}), "is not a list"),
        (function(Timeout=2.5), ".Timeout: 2.5 is not an integer"),
        (function(Code={"ZipFile": "not base64"}), ".Code.ZipFile: it is not in base64"),
        (function(Environment={"Variables": {"A": 1}}), ".Variables.A: 1 is not a string"),
        (alarm(EvaluationPeriods="one"), "'one' is no integer"),
        (alarm(ActionsEnabled="True"), "'True' is no boolean"),
        (alarm(Threshold="none"), "'none' is no number"),
        (dynamodb(TableName=["x"]), "is not a string"),
        (function(Environment=["x"]), "is not a structure"),
        # an enum has no such value
        (dynamodb(BillingMode="ON_DEMAND"), ".BillingMode: 'ON_DEMAND' is not one of"),
        (alarm(ComparisonOperator="GreaterThan"), "'GreaterThan' is not one of"),
        (function(Runtime="python9.9"), ".Runtime: 'python9.9' is not one of"),
        (route(authorizationType="LAMBDA"), "'LAMBDA' is not one of"),
        # a pattern does not match, or a value is out of range
        (function(Role="deliver"), ".Role: 'deliver' does not match"),
        (function(FunctionName="de liver"), ".FunctionName: 'de liver' does not match"),
        (function(Timeout=0), ".Timeout: 0  are fewer than 1"),
        (dynamodb(KeySchema=[]), ".KeySchema: 0 members are fewer than 1"),
        (alarm(EvaluationPeriods="0"), ".EvaluationPeriods: 0  are fewer than 1"),
        (alarm(AlarmName="x" * 256), "256 characters are more than 255"),
        (post(b"x" * (128 * 1024 + 1)), "131073 bytes are more than 131072"),
        # the protocol is wrong
        (replace(sqs(), headers={**sqs().headers, "content-type": "text/plain"}), "Content-Type"),
        (replace(sqs(), path="/x"), "not POST /"),
        (alarm(Version="2009-05-15"), "Version is 2009-05-15"),
        (replace(alarm(), body=alarm().body + b"&AlarmName=two"), "more than once"),
        (alarm(**{"AlarmActions.member.3": "arn:aws:sns:x:1:t"}), "its numbers are [1, 3]"),
        # characters that SQS refuses
        (sqs(MessageBody="one \ufffe"), "U+FFFE"),
        (publish(Message="one \uffff"), "U+FFFF"),
    ],
    ids=short,
)
def test_what_is_planted_is_found(request_: Request, planted: str) -> None:
    violations = found(request_)
    assert any(planted in each for each in violations), violations


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (sqs("SendMesage"), "sqs has no operation 'SendMesage'"),
        (replace(sqs(), body=b"{"), "the body is not JSON"),
        (replace(sqs(), body=b"[]"), "not a JSON object"),
        (replace(sqs(), body=b'{"MessageBody": NaN}'), "NaN"),
        (replace(alarm(), body=b"Version=2010-08-01"), "cloudwatch has no operation ''"),
        (replace(function(), path="/2015-03-31/function"), "lambda has no POST"),
        (replace(function(), method="PUT"), "lambda has no PUT"),
        (replace(sqs(), service="nothing"), "nothing is no service"),
        (s3(body=b"<CompleteMultipartUpload>"), "the body is not XML"),
        (s3("PATCH"), "s3 has no PATCH"),
    ],
    ids=short,
)
def test_what_is_no_request_of_the_service_is_found(request_: Request, why: str) -> None:
    (violation,) = found(request_)
    assert why in violation


def test_an_operation_is_found_by_its_most_literal_address() -> None:
    for method, path, query, name in [
        ("GET", "/2015-03-31/functions/f", "", "GetFunction"),
        ("GET", "/2015-03-31/functions/f/configuration", "", "GetFunctionConfiguration"),
        ("POST", "/2015-03-31/functions/f/invocations", "Qualifier=x", "Invoke"),
        (
            "GET",
            "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af",
            "",
            "ListTags",
        ),
    ]:
        request = Request("lambda", method, path, query)
        assert decode.decode(request).operation.name == name
    asked = Request("apigateway", "GET", "/account")
    assert decode.decode(asked).name == "apigateway:GetAccount"


def test_labels_queries_and_headers_become_members() -> None:
    request = Request(
        "lambda",
        "POST",
        "/2015-03-31/functions/f%2Ag/invocations",
        "Qualifier=x",
        {"x-amz-invocation-type": "Event", "x-amz-date": "20260101T000000Z"},
        b"{}",
    )
    call = decode.decode(request)
    assert call.problems == []
    assert call.parameters == {
        "FunctionName": "f*g",
        "Qualifier": "x",
        "InvocationType": "Event",
        "Payload": b"{}",
    }


def test_fields_of_a_form_become_lists_and_maps() -> None:
    call = decode.decode(publish())
    assert call.parameters["MessageAttributes"] == {
        "type": {"DataType": "String", "StringValue": "x"}
    }
    assert decode.decode(alarm()).parameters["Dimensions"] == [{"Name": "Stage", "Value": "prod"}]
    emptied = alarm(**{"AlarmActions.member.1": "-", "AlarmActions": ""})
    assert decode.decode(emptied).parameters["AlarmActions"] == []


def test_java_s_categories_of_characters_are_understood() -> None:
    letters = shapes.compiled(r"[\p{L}\p{N}_.:/=+\-@]*")
    assert letters.fullmatch("Größe=1")
    assert not letters.fullmatch("a b")
    assert shapes.compiled(r"\p{L}+").fullmatch("é")
    with pytest.raises(ValueError, match="Nonsense"):
        shapes.compiled(r"\p{Nonsense}")


def test_records_are_read_as_they_are_written(tmp_path: Path) -> None:
    entry = {
        "at": 1.5, "key": "K", "service": "sqs", "target": "AmazonSQS.ListQueues", "method": "POST",
        "path": "/", "query": "", "headers": {"user-agent": "x Terraform/1.11"}, "status": 200,
    }  # fmt: skip
    file = tmp_path / "requests.jsonl"
    lines = [{**entry, "body": "{}"}, {**entry, "body64": "/w=="}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    read = records.load(file)
    assert [request.body for request in read] == [b"{}", b"\xff"]
    assert read[0].by_terraform
    for end in ({**entry, "body": None, "size": 9}, {"full": True}):
        file.write_text(json.dumps(end) + "\n")
        with pytest.raises(records.Incomplete):
            records.load(file)
