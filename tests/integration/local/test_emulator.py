"""The emulator's wrapper behaves like AWS in the cases in which MiniStack alone does not."""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from local import emulator, processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

    from local.emulator import Emulator

pytestmark = pytest.mark.integration

_IDLE, _LIFETIME = 1.5, 4.0  # seconds

# The query string determines what each function does.
_CODE = """
import os
import time

if os.environ["AWS_LAMBDA_FUNCTION_NAME"] == "copy":
    time.sleep(0.3)  # until the copy has started

def authorize(event, context):
    asked = event["queryStringParameters"] or {}
    if asked.get("authorize") == "unauthorized":
        raise Exception("Unauthorized")
    if asked.get("authorize") == "broken":
        raise Exception("broken")
    effect = "Deny" if asked.get("authorize") == "deny" else "Allow"
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "u", "policyDocument": policy}

def connect(event, context):
    asked = event["queryStringParameters"] or {}
    answer = {"statusCode": int(asked.get("status", 200))}
    if "subprotocol" in asked:
        answer["headers"] = {"Sec-WebSocket-Protocol": asked["subprotocol"]}
    return answer

def echo(event, context):
    return {"statusCode": 200, "body": event["requestContext"]["connectionId"]}

def copy(event, context):
    return os.getpid()

def consume(event, context):
    print("received", [record["body"] for record in event["Records"]])
    return eval(event["Records"][0]["body"])
"""


class Api(NamedTuple):
    emulator: Emulator
    url: str
    role: str


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A WebSocket API with a REQUEST authorizer, on an emulator with short limits."""
    directory = tmp_path_factory.mktemp("emulator")
    (directory / "logs").mkdir()
    limits = {
        "HERALD_EMULATOR_IDLE_SECONDS": str(_IDLE),
        "HERALD_EMULATOR_LIFETIME_SECONDS": str(_LIFETIME),
    }
    try:
        yield _make_api(emulator.start(directory, limits))
    finally:
        processes.stop(directory)


def _make_api(aws: Emulator) -> Api:
    role = _make_role(aws)
    gateway = aws.client("apigatewayv2")
    selection = "$request.body.action"
    made = gateway.create_api(
        Name="a", ProtocolType="WEBSOCKET", RouteSelectionExpression=selection
    )
    identifier = made["ApiId"]
    authorizer = gateway.create_authorizer(
        ApiId=identifier,
        Name="a",
        AuthorizerType="REQUEST",
        AuthorizerUri=_make_function(aws, role, "authorize"),
        IdentitySource=[],
    )
    custom = {"AuthorizationType": "CUSTOM", "AuthorizerId": authorizer["AuthorizerId"]}
    answering = {"RouteResponseSelectionExpression": "$default"}
    for route, name, more in [("$connect", "connect", custom), ("$default", "echo", answering)]:
        uri = _make_function(aws, role, name)
        proxy = {"IntegrationType": "AWS_PROXY", "IntegrationUri": uri}
        _make_route(gateway, identifier, route, proxy, **more)
        if route == "$default":
            _make_route(gateway, identifier, "one-way", proxy)
    template = {"200": '{"statusCode": 200}'}
    mock = {"IntegrationType": "MOCK", "TemplateSelectionExpression": "200"}
    _make_route(gateway, identifier, "keepalive", {**mock, "RequestTemplates": template})
    _make_route(gateway, identifier, "incomplete", mock)
    gateway.create_stage(ApiId=identifier, StageName="s", AutoDeploy=True)
    _make_function(aws, role, "consume")
    _make_function(aws, role, "copy")
    return Api(aws, f"{aws.url}/_aws/execute-api/{identifier}/s", role)


def _make_route(
    gateway: Any, api: str, key: str, integration: dict[str, Any], **options: Any
) -> None:
    """Create a route with its integration, and with a route response if it has an expression."""
    made = gateway.create_integration(ApiId=api, **integration)
    target = f"integrations/{made['IntegrationId']}"
    route = gateway.create_route(ApiId=api, RouteKey=key, Target=target, **options)
    if "RouteResponseSelectionExpression" in options:
        names = {"ApiId": api, "RouteId": route["RouteId"]}
        gateway.create_route_response(**names, RouteResponseKey="$default")


def _make_role(aws: Emulator) -> str:
    """Create a role for Lambda with all permissions for SQS; return its ARN."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    trust_policy = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    iam = aws.client("iam")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust_policy))
    rights = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy)
    return str(role["Role"]["Arn"])


def _make_function(aws: Emulator, role: str, name: str) -> str:
    """Create one of the functions in _CODE; return the URI by which API Gateway invokes it."""
    made = aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler=f"code.{name}",
        Code={"ZipFile": _archive()},
        Timeout=5,
    )
    path = f"2015-03-31/functions/{made['FunctionArn']}/invocations"
    return f"arn:aws:apigateway:{emulator.REGION}:lambda:path/{path}"


def _archive() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("code.py", _CODE)
    return archive.getvalue()


def opened(api: Api, query: str = "", **options: Any) -> ClientConnection:
    url = api.url.replace("http", "ws", 1)
    options |= {"proxy": None, "ping_interval": None, "open_timeout": 30}
    page: ClientConnection = connect(f"{url}?{query}", **options)
    return page


def refused(api: Api, query: str) -> int:
    with pytest.raises(InvalidStatus) as refusal, opened(api, query):
        pass
    return refusal.value.response.status_code


def closing_code(page: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as closed:
        page.recv(timeout=10)
    return closed.value.rcvd.code if closed.value.rcvd else None


def keep_busy(page: ClientConnection, seconds: float) -> None:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        page.send("still here")
        page.recv(timeout=1)
        time.sleep(_IDLE / 10)


def test_the_subprotocol_is_the_one_that_connect_returned(api: Api) -> None:
    offered: list[Any] = ["herald.v1", "bearer.secret"]
    with opened(api, "subprotocol=herald.v1", subprotocols=offered) as page:
        assert page.subprotocol == "herald.v1"


def test_no_subprotocol_is_chosen_unless_connect_returns_one(api: Api) -> None:
    with opened(api, subprotocols=["herald.v1"]) as page:
        assert page.subprotocol is None


@pytest.mark.parametrize("status", [400, 403, 503])
def test_a_handshake_is_rejected_with_the_status_of_connect(api: Api, status: int) -> None:
    assert refused(api, f"status={status}") == status


@pytest.mark.parametrize(
    ("answer", "status"), [("unauthorized", 401), ("deny", 403), ("broken", 500)]
)
def test_a_handshake_is_rejected_as_the_authorizer_decides(
    api: Api, answer: str, status: int
) -> None:
    assert refused(api, f"authorize={answer}") == status


def test_a_message_over_128_kilobytes_closes_the_connection(api: Api) -> None:
    with opened(api) as page:
        page.send("x" * 128 * 1024)
        assert page.recv(timeout=10)
        page.send("x" * (128 * 1024 + 1))
        assert closing_code(page) == 1009


def test_a_deeply_nested_message_goes_to_the_default_route(api: Api) -> None:
    with opened(api) as page:
        page.send("[" * 100_000)
        assert page.recv(timeout=10)
        page.send("{}")
        assert page.recv(timeout=10)


def test_posting_over_128_kilobytes_is_rejected(api: Api) -> None:
    with opened(api) as page:
        page.send("who am I")
        connection = page.recv(timeout=10)
        gateway = api.emulator.client("apigatewaymanagementapi", api.url)
        gateway.post_to_connection(ConnectionId=connection, Data=b"y" * 128 * 1024)
        assert len(page.recv(timeout=10)) == 128 * 1024
        with pytest.raises(ClientError) as error:
            gateway.post_to_connection(ConnectionId=connection, Data=b"y" * (128 * 1024 + 1))
        assert error.value.response["Error"]["Code"] == "PayloadTooLargeException"


def test_an_idle_connection_is_closed(api: Api) -> None:
    with opened(api) as page:
        began = time.monotonic()
        assert closing_code(page) == 1001
        assert time.monotonic() - began >= _IDLE - 0.2


@pytest.mark.parametrize("action", ["keepalive", "one-way"])
def test_a_route_without_a_route_response_is_not_answered(api: Api, action: str) -> None:
    with opened(api) as page:
        page.send("who am I")
        connection = page.recv(timeout=10)
        page.send(json.dumps({"action": action}))
        page.send("who am I")
        assert page.recv(timeout=10) == connection
        with pytest.raises(TimeoutError):
            page.recv(timeout=0.1)


def test_a_mock_integration_without_a_template_fails(api: Api) -> None:
    with opened(api) as page:
        page.send('{"action": "incomplete"}')
        answer = json.loads(page.recv(timeout=10))
        assert answer["message"] == "Internal server error"
        assert set(answer) == {"message", "connectionId", "requestId"}


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_message_of_either_side_keeps_an_idle_connection_open(api: Api, side: str) -> None:
    with opened(api) as page:
        page.send("who am I")
        connection = page.recv(timeout=10)
        gateway = api.emulator.client("apigatewaymanagementapi", api.url)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                page.recv(timeout=0.7 * _IDLE)
            if side == "client":
                page.send('{"action": "keepalive"}')
            else:
                gateway.post_to_connection(ConnectionId=connection, Data=b"event")
                assert page.recv(timeout=10) == "event"
        page.send("who am I")
        assert page.recv(timeout=10) == connection


def test_a_busy_connection_is_closed_after_its_lifetime(api: Api) -> None:
    with opened(api) as page:
        began = time.monotonic()
        with pytest.raises(ConnectionClosed) as closed:
            keep_busy(page, seconds=_LIFETIME + 5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert time.monotonic() - began >= _LIFETIME - 0.5


@pytest.mark.parametrize("answer", ['{"batchItemFailures": []}', "{}", "None"])
def test_a_well_formed_batch_response_completes_the_message(api: Api, answer: str) -> None:
    assert not comes_back(api, answer)


@pytest.mark.parametrize(
    "answer",
    [
        '{"batchItemFailures": [{"itemIdentifier": ""}]}',
        '{"batchItemFailures": [{"itemIdentifier": "unknown"}]}',
        '{"batchItemFailures": [{"id": "x"}]}',
        '{"batchItemFailures": "x"}',
        '"not JSON"',
    ],
)
def test_a_malformed_batch_response_fails_the_batch(api: Api, answer: str) -> None:
    assert comes_back(api, answer)


def test_a_secret_without_a_value_has_no_version(api: Api) -> None:
    client = api.emulator.client("secretsmanager")
    client.create_secret(Name="s")
    assert not client.describe_secret(SecretId="s").get("VersionIdsToStages")
    with pytest.raises(ClientError) as error:
        client.get_secret_value(SecretId="s")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    client.put_secret_value(SecretId="s", SecretString="v")
    assert client.get_secret_value(SecretId="s")["SecretString"] == "v"
    stages = client.describe_secret(SecretId="s")["VersionIdsToStages"]
    assert list(stages.values()) == [["AWSCURRENT"]]


def test_a_mapping_waits_for_a_full_batch(api: Api) -> None:
    answer = "None if len(event['Records']) == 3 else 'three messages were expected'"
    assert not comes_back(api, answer, messages=3, window=1)
    assert comes_back(api, answer, messages=3)


def test_copies_of_a_function_are_started_one_after_the_other(api: Api) -> None:
    functions = api.emulator.client("lambda")

    def invoke(_: int) -> int:
        return int(functions.invoke(FunctionName="copy")["Payload"].read())

    with ThreadPoolExecutor(6) as pool:
        copies = set(pool.map(invoke, range(6)))
    assert len(copies) < 6


def comes_back(api: Api, answer: str, *, messages: int = 1, window: int = 0) -> bool:
    """Whether a message stays in the queue, and so becomes a dead letter, if `consume` returns
    `answer` for it. `window` is the mapping's batching window in seconds.
    """
    sqs, functions = api.emulator.client("sqs"), api.emulator.client("lambda")
    name = f"q{time.monotonic_ns()}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": _arn(sqs, dead), "maxReceiveCount": 1})
    attributes = {"RedrivePolicy": redrive, "VisibilityTimeout": "1"}
    queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    mapping = functions.create_event_source_mapping(
        EventSourceArn=_arn(sqs, queue),
        FunctionName="consume",
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumBatchingWindowInSeconds=window,
    )
    try:
        for _ in range(messages):
            sqs.send_message(QueueUrl=queue, MessageBody=answer)
        deadline = time.monotonic() + 20
        # The dead-letter queue is counted last. Otherwise a message that moves between the counts
        # would be missed.
        while _count(sqs, queue):
            assert time.monotonic() < deadline, "the message stays in the queue"
            time.sleep(0.1)
        return _count(sqs, dead) > 0
    finally:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])


def _count(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)


def _arn(sqs: Any, url: str) -> str:
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(attributes["Attributes"]["QueueArn"])


def test_a_queue_waits_for_a_dead_letter_queue_that_is_being_created(api: Api) -> None:
    sqs = api.emulator.client("sqs")
    with ThreadPoolExecutor() as pool:
        main = pool.submit(_create_with_dead_letter_queue, sqs, "early", "late")
        time.sleep(0.2)  # the request for the queue arrives first
        assert not main.done()
        sqs.create_queue(QueueName="late")
        assert main.result(timeout=5)["QueueUrl"]


def test_a_queue_without_its_dead_letter_queue_is_refused(api: Api) -> None:
    with pytest.raises(ClientError, match="RedrivePolicy"):
        _create_with_dead_letter_queue(api.emulator.client("sqs"), "lonely", "nowhere")


@pytest.mark.parametrize(("agent", "refused"), [("Terraform/1.11", False), ("boto3", True)])
def test_a_creation_that_terraform_repeats_is_answered_as_before(
    api: Api, agent: str, refused: bool
) -> None:
    logs = api.emulator.client("logs")
    attempts = iter((1, 2, 1))

    def repeat(request: Any, **_: Any) -> None:
        request.headers["user-agent"] = agent
        request.headers["amz-sdk-invocation-id"] = f"of {agent}"
        request.headers["amz-sdk-request"] = f"attempt={next(attempts)}; max=25"

    logs.meta.events.register("before-send.logs.CreateLogGroup", repeat)
    exists = logs.exceptions.ResourceAlreadyExistsException
    logs.create_log_group(logGroupName=f"/{agent}")
    with pytest.raises(exists) if refused else contextlib.nullcontext():
        logs.create_log_group(logGroupName=f"/{agent}")
    with pytest.raises(exists):  # another request for the same resource
        logs.create_log_group(logGroupName=f"/{agent}")


def _create_with_dead_letter_queue(sqs: Any, name: str, dead_letter: str) -> Any:
    arn = f"arn:aws:sqs:{emulator.REGION}:{emulator.ACCOUNT}:{dead_letter}"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    return sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})
