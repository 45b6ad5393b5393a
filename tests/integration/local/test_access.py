"""The emulator accepts only requests that are signed with a valid key.

The attacker is a web page, or a user of this machine who cannot read the stack's files. Both can
find the port. tests/browser/test_emulator.py tests a real page.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import stat
import urllib.error
import urllib.request
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import boto3
import psutil
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from local import emulator, processes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from local.emulator import Emulator

pytestmark = pytest.mark.integration

_ACCOUNT = "000000000000"
_SECRET = "the value of a secret"
_FUNCTION = f"arn:aws:lambda:{emulator.REGION}:{_ACCOUNT}:function:whoami"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/reader"

# The function returns its own credentials and the secret that it can read with them.
_CODE = """
import os, boto3
def whoami(event, context):
    names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    secret = boto3.client("secretsmanager").get_secret_value(SecretId="s")["SecretString"]
    return {"keys": [os.environ[name] for name in names], "secret": secret}
"""


class Aws(NamedTuple):
    """An emulator with a secret, a function that may read it, and a record of all requests."""

    emulator: Emulator
    directory: Path
    function_keys: list[str]

    def records(self) -> list[dict[str, Any]]:
        lines = emulator.requests_file(self.directory).read_text().splitlines()
        return [json.loads(line) for line in lines]


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def refused(self) -> bool:
        """Whether the request was refused with a response that contains no secret."""
        return self.status in (400, 403) and _SECRET.encode() not in self.body


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    directory = tmp_path_factory.mktemp("emulator")
    (directory / "logs").mkdir()
    try:
        started = emulator.start(directory, {})
        yield Aws(started, directory, _prepare(started))
    finally:
        processes.stop(directory)


def _prepare(aws: Emulator) -> list[str]:
    """Create the secret and the function; return the function's keys."""
    aws.client("secretsmanager").create_secret(Name="s", SecretString=_SECRET)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    trusted = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    may = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    iam = aws.client("iam")
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trusted))
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=policy)
    functions = aws.client("lambda")
    functions.create_function(
        FunctionName="whoami",
        Runtime="python3.11",
        Role=_ROLE,
        Handler="code.whoami",
        Code={"ZipFile": _archive()},
        Environment={"Variables": {"AWS_ENDPOINT_URL": aws.url}},
        Timeout=20,
    )
    answer = json.load(functions.invoke(FunctionName="whoami")["Payload"])
    assert answer["secret"] == _SECRET, answer  # a function's own keys are accepted
    keys: list[str] = answer["keys"]
    return keys


def _archive() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("code.py", _CODE)
    return archive.getvalue()


def asked(
    url: str, headers: Mapping[str, str], body: bytes | None = None, method: str | None = None
) -> Answer:
    """Send a request, as any program on this machine can."""
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return Answer(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


def wanted(url: str) -> Any:
    """The request to read the secret, unsigned."""
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "secretsmanager.GetSecretValue",
    }
    request = AWSRequest("POST", f"{url}/", headers, json.dumps({"SecretId": "s"}).encode())
    request.context["signing"] = "secretsmanager"
    return request


def signed(request: Any, keys: list[str]) -> Any:
    service = request.context["signing"]
    SigV4Auth(Credentials(*keys), service, emulator.REGION).add_auth(request)
    return request


def sent(request: Any, **more: str) -> Answer:
    return asked(request.url, {**dict(request.headers.items()), **more}, request.data)


def scope_of(key: str, service: str) -> str:
    return f"{key}/{datetime.now(UTC):%Y%m%d}/{emulator.REGION}/{service}/aws4_request"


def forged_headers(key: str, service: str) -> dict[str, str]:
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={scope_of(key, service)}, "
        f"SignedHeaders=host;x-amz-date;x-amz-target, Signature={'0' * 64}"
    )
    return {"authorization": authorization, "x-amz-date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"}


def forged_query(key: str, service: str) -> str:
    return urlencode(
        {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": scope_of(key, service),
            "X-Amz-Date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": "900",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": "0" * 64,
        }
    )


def keys_to_try(aws: Aws) -> list[str]:
    """The key ids of the root user and of a function, and those that MiniStack treats as the root
    user's.
    """
    return [aws.emulator.access_key, "test", "test" * 5, _ACCOUNT, "", aws.function_keys[0]]


def test_a_key_without_its_secret_reads_no_secret(aws: Aws) -> None:
    url = aws.emulator.url
    request = wanted(url)
    for key in keys_to_try(aws):
        by_header = sent(request, **forged_headers(key, "secretsmanager"))
        by_query = asked(
            f"{url}/?{forged_query(key, 'secretsmanager')}", request.headers, request.data
        )
        for answer in (by_header, by_query):
            assert answer.refused, key
    assert sent(request).refused


def test_a_key_without_its_secret_makes_no_function(aws: Aws) -> None:
    code = base64.b64encode(_archive()).decode()
    named = {"FunctionName": "intruder", "Runtime": "python3.11", "Handler": "code.whoami"}
    body = json.dumps({**named, "Role": _ROLE, "Code": {"ZipFile": code}}).encode()
    url = f"{aws.emulator.url}/2015-03-31/functions"
    for key in keys_to_try(aws):
        by_header = asked(url, forged_headers(key, "lambda"), body)
        by_query = asked(f"{url}?{forged_query(key, 'lambda')}", {}, body)
        assert by_header.refused, key
        assert by_query.refused, key
    functions = aws.emulator.client("lambda").list_functions()["Functions"]
    assert [found["FunctionName"] for found in functions] == ["whoami"]


def test_the_keys_of_a_function_cannot_be_computed(aws: Aws) -> None:
    # The key that MiniStack itself derives from publicly known names
    digest = hashlib.sha256(f"{_FUNCTION}:{_ROLE}".encode()).hexdigest()
    computed = [
        f"ASIA{digest[:16].upper()}",
        hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
        hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
    ]
    assert sent(signed(wanted(aws.emulator.url), computed)).refused
    assert not set(computed) & set(aws.function_keys)


def test_with_the_keys_everything_is_as_on_aws(aws: Aws) -> None:
    for keys in (root(aws), aws.function_keys):
        answer = sent(signed(wanted(aws.emulator.url), keys))
        assert answer.status == 200
        assert json.loads(answer.body)["SecretString"] == _SECRET


def root(aws: Aws) -> list[str]:
    return [aws.emulator.access_key, aws.emulator.secret_key]


@pytest.mark.parametrize("keys", ["root", "function"])
def test_a_wrong_secret_is_what_aws_calls_it(aws: Aws, keys: str) -> None:
    key, _, *token = root(aws) if keys == "root" else aws.function_keys
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    given: Any = dict(zip(names, [key, "wrong", *token], strict=False))
    for service, call in (("secretsmanager", "list_secrets"), ("sts", "get_caller_identity")):
        client: Any = boto3.Session(region_name=emulator.REGION, **given).client(
            service,  # type: ignore[call-overload]
            endpoint_url=aws.emulator.url,
        )
        with pytest.raises(ClientError) as error:
            getattr(client, call)()
        assert error.value.response["Error"]["Code"] in (
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
        )


def test_a_signature_covers_body_headers_path_and_query(aws: Aws) -> None:
    for change in ("body", "declared", "target", "path", "query", "token"):
        request = signed(wanted(aws.emulator.url), aws.function_keys)
        match change:
            case "body":
                request.data = b'{"SecretId": "t"}'
            case "declared":  # the signed hash stays the same, but the body differs
                request = wanted(aws.emulator.url)
                digest = hashlib.sha256(request.data).hexdigest()
                request.headers["x-amz-content-sha256"] = digest
                signed(request, aws.function_keys).data = b'{"SecretId":"s" }'
            case "target":
                request.headers.replace_header("x-amz-target", "secretsmanager.DeleteSecret")
            case "path":
                request.url += "x"
            case "query":
                request.url += "?x=1"
            case "token":
                request.headers.replace_header("x-amz-security-token", "x")
        assert sent(request).refused, change


def test_a_header_that_is_not_signed_does_not_choose_the_operation(aws: Aws) -> None:
    request = AWSRequest("POST", f"{aws.emulator.url}/", {}, b'{"SecretId": "s"}')
    request.context["signing"] = "secretsmanager"
    answer = sent(signed(request, root(aws)), **{"x-amz-target": "secretsmanager.GetSecretValue"})
    assert answer.refused


def test_two_credentials_in_one_request_are_refused(aws: Aws) -> None:
    query = forged_query(aws.emulator.access_key, "secretsmanager")
    request = wanted(aws.emulator.url)
    request.url = f"{request.url}?{query}"
    assert sent(signed(request, aws.function_keys)).refused


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Host": "rebound.example:{port}"},
        {"Host": "127.0.0.1.rebound.example:{port}"},
    ],
)
def test_web_pages_are_refused_even_with_the_keys(aws: Aws, headers: dict[str, str]) -> None:
    named = {name: value.format(port=aws.emulator.port) for name, value in headers.items()}
    request = wanted(aws.emulator.url)
    if "Host" in named:
        request.headers["Host"] = named["Host"]
    assert sent(signed(request, root(aws)), **named).refused
    ready = asked(f"{aws.emulator.url}/_ministack/ready", named)
    assert ready.status == 403


def test_no_web_page_is_allowed_to_read(aws: Aws) -> None:
    asking = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answers = [
        sent(signed(wanted(aws.emulator.url), root(aws))),
        asked(f"{aws.emulator.url}/", asking, method="OPTIONS"),
        asked(f"{aws.emulator.url}/_ministack/ready", {}),
    ]
    assert [answer.status for answer in answers] == [200, 403, 200]
    for answer in answers:
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_the_emulators_own_interface_is_closed(aws: Aws) -> None:
    for method, path in [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/sqs/messages"),
        ("GET", "/_ministack/lambda-code/whoami"),
        ("GET", "/_ministack/health"),
        ("GET", "/_localstack/health"),
        ("GET", "/health"),
        ("POST", "/_aws/lambda-url/x/"),
        ("POST", "/_aws/execute-api/"),
        ("POST", "/restapis/x/y/_user_request_/"),
    ]:
        assert asked(f"{aws.emulator.url}{path}", {}, b"{}", method).status == 403, path
        request: Any = AWSRequest(method, f"{aws.emulator.url}{path}", {}, b"{}")
        request.context["signing"] = "execute-api"
        if path.startswith("/_ministack"):
            whole = signed(request, root(aws))
            assert asked(whole.url, dict(whole.headers.items()), b"{}", method).status == 403, path
    assert aws.emulator.client("lambda").list_functions()["Functions"]  # nothing was reset


def test_it_listens_at_one_port_of_the_loopback_interface_alone(aws: Aws) -> None:
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes.owned(aws.directory)
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    }
    assert listening == {("127.0.0.1", aws.emulator.port)}


def test_a_socket_that_is_no_apis_is_refused(aws: Aws) -> None:
    url = aws.emulator.url.replace("http", "ws", 1)
    with pytest.raises(InvalidStatus) as refusal, connect(f"{url}/", proxy=None):
        pass
    assert refusal.value.response.status_code == 403


@pytest.mark.parametrize("foreign", [{"Origin": "https://app.example"}, {"Host": "tunnel.example"}])
def test_the_data_plane_of_an_api_is_open(aws: Aws, foreign: dict[str, str]) -> None:
    gateway = aws.emulator.client("apigatewayv2")
    api = http_api(gateway)
    try:
        answer = asked(f"{aws.emulator.url}/_aws/execute-api/{api}/%24default/open", foreign, b"{}")
        # The function was invoked, because this is its own response.
        assert json.loads(answer.body)["secret"] == _SECRET
        # With a path below the API, no Host header gives access to another service.
        request = wanted(aws.emulator.url)
        elsewhere = f"{aws.emulator.url}/_aws/execute-api/{api}/../../"
        for host in ("127.0.0.1", f"{api}.execute-api.localhost", "sqs.us-east-1.amazonaws.com"):
            headers = {**dict(request.headers.items()), "Host": host}
            assert b"SecretString" not in asked(elsewhere, headers, request.data).body
    finally:
        gateway.delete_api(ApiId=api)


def http_api(gateway: Any) -> str:
    """A public API, like that of the webhook."""
    api = gateway.create_api(Name="open", ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=_FUNCTION,
        PayloadFormatVersion="2.0",
    )
    target = f"integrations/{integration['IntegrationId']}"
    gateway.create_route(ApiId=api, RouteKey="POST /open", Target=target)
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    return str(api)


def test_posting_to_a_connection_takes_a_signature(aws: Aws) -> None:
    for path in ("/@connections/x", "/%40connections/x"):
        url = f"{aws.emulator.url}/_aws/execute-api/abcdef12/s{path}"
        assert asked(url, {}, b"hello").status == 403
        forged = forged_headers(aws.emulator.access_key, "execute-api")
        assert asked(url, forged, b"hello").status == 403


def presigned(aws: Aws, expires: int = 60) -> str:
    keys = Credentials(*aws.function_keys)
    url = f"{aws.emulator.url}/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest("GET", url)
    SigV4QueryAuth(keys, "sts", emulator.REGION, expires=expires).add_auth(request)
    return str(request.url)


def test_presigned_urls_work(aws: Aws) -> None:
    answer = asked(presigned(aws), {})
    assert answer.status == 200
    assert b"assumed-role/reader/whoami" in answer.body
    sts = aws.emulator.client("sts")
    answer = asked(sts.generate_presigned_url("get_caller_identity", HttpMethod="GET"), {})
    assert answer.status == 200
    assert b":root" in answer.body


def test_presigned_urls_that_are_changed_expired_or_too_long_are_refused(aws: Aws) -> None:
    good = presigned(aws)
    changed = good.replace("GetCallerIdentity", "GetSessionToken")
    twice = f"{good}&X-Amz-Credential={aws.emulator.access_key}%2F1%2F2%2F3%2Faws4_request"
    lower = f"{good}&x-amz-credential={aws.emulator.access_key}%2F1%2F2%2F3%2Faws4_request"
    too_long, over = presigned(aws, 8 * 86_400), presigned(aws, -1)
    for url in (changed, twice, lower, too_long, over):
        assert asked(url, {}).refused, url
    assert asked(good, {"x-amz-target": "secretsmanager.GetSecretValue"}).refused


def test_what_was_admitted_is_recorded_without_its_secrets(aws: Aws) -> None:
    aws.emulator.client("secretsmanager").put_secret_value(SecretId="s", SecretString=_SECRET)
    refused_before = len(aws.records())
    assert sent(wanted(aws.emulator.url)).status == 400
    records = aws.records()
    assert len(records) == refused_before
    last = records[-1]
    assert (last["service"], last["target"]) == ("secretsmanager", "secretsmanager.PutSecretValue")
    assert last["status"] == 200
    assert json.loads(last["body"]) == {
        **json.loads(last["body"]),
        "SecretId": "s",
        "SecretString": "left out",
    }
    file = emulator.requests_file(aws.directory)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = file.read_text()
    for secret in (_SECRET, aws.emulator.secret_key, *aws.function_keys[1:]):
        assert secret not in written
    assert base64.b64encode(_archive()).decode() not in written
    made = next(each for each in records if each["path"] == "/2015-03-31/functions")
    assert json.loads(made["body"])["FunctionName"] == "whoami"


@pytest.mark.parametrize("character", ["\ufffe", "\uffff", "\x0b", "\x1f", "\x00"])
@pytest.mark.parametrize("where", ["body", "attribute"])
def test_what_sqs_refuses_does_not_reach_it_through_sns(
    aws: Aws, character: str, where: str
) -> None:
    sns, sqs = aws.emulator.client("sns"), aws.emulator.client("sqs")
    queue = sqs.create_queue(QueueName="raw")["QueueUrl"]
    topic = subscribed(sns, sqs, queue)
    try:
        bad, text = f"x{character}x", {"DataType": "String", "StringValue": "x"}
        attribute = {"a": {**text, "StringValue": bad if where == "attribute" else "x"}}
        body = bad if where == "body" else "x"
        if character != "\x00":  # XML, and so the query protocol, cannot contain this character
            sns.publish(TopicArn=topic, Message=body, MessageAttributes=attribute)
        with pytest.raises(ClientError) as error:
            sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=attribute)
        assert error.value.response["Error"]["Code"] == "InvalidMessageContents"
        sns.publish(TopicArn=topic, Message="good 😀", MessageAttributes={"a": text})
        assert bodies(sqs, queue) == ["good 😀"]
    finally:
        sqs.delete_queue(QueueUrl=queue)
        sns.delete_topic(TopicArn=topic)


def test_more_than_ten_attributes_do_not_reach_a_queue(aws: Aws) -> None:
    sns, sqs = aws.emulator.client("sns"), aws.emulator.client("sqs")
    queue = sqs.create_queue(QueueName="raw")["QueueUrl"]
    topic = subscribed(sns, sqs, queue)
    try:
        text = {"DataType": "String", "StringValue": "x"}
        eleven = {f"a{number}": text for number in range(11)}
        sns.publish(TopicArn=topic, Message="eleven", MessageAttributes=eleven)
        with pytest.raises(ClientError):
            sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=eleven)
        eleven.pop("a0")
        sns.publish(TopicArn=topic, Message="ten", MessageAttributes=eleven)
        assert bodies(sqs, queue) == ["ten"]
    finally:
        sqs.delete_queue(QueueUrl=queue)
        sns.delete_topic(TopicArn=topic)


def subscribed(sns: Any, sqs: Any, queue: str) -> str:
    """A topic with raw delivery to the queue."""
    topic = sns.create_topic(Name="raw")["TopicArn"]
    arn = f"arn:aws:sqs:{emulator.REGION}:{_ACCOUNT}:{urlsplit(queue).path.rpartition('/')[2]}"
    may = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}}
    statement = {**may, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
    return str(topic)


def bodies(sqs: Any, queue: str) -> list[str]:
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)
    return [message["Body"] for message in found.get("Messages", [])]
