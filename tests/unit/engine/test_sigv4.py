"""The signer compared with botocore's, which AWS maintains."""

import datetime
import random

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.engine.sigv4 import Credentials, Headers, Signer, credentials, quote

TEMPORARY = Credentials("ASIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCY", "FwoGZXIvYXdzE" * 60)
PERMANENT = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCY", None)
REGION = "eu-central-1"
HOST = "abc123.execute-api.eu-central-1.amazonaws.com"
BASE = "/prod/@connections"


def signed_by_botocore(
    service: str,
    method: str,
    path: str,
    headers: Headers,
    body: bytes,
    given_credentials: Credentials,
    second: int,
) -> dict[str, str]:
    request = botocore.awsrequest.AWSRequest(method, f"https://{HOST}{BASE}{path}", data=body)
    for name, value in headers:
        request.headers[name] = value
    keys = botocore.credentials.Credentials(*given_credentials)
    signer = botocore.auth.SigV4Auth(keys, service, REGION)
    with pytest.MonkeyPatch.context() as patch:
        moment = datetime.datetime.fromtimestamp(second, datetime.UTC)
        patch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()} | {"host": HOST}


def signed(
    signer: Signer,
    method: str,
    path: str,
    headers: Headers,
    body: bytes,
    given_credentials: Credentials,
    second: int,
) -> dict[str, str]:
    sent = signer.request(method, path, headers, body, given_credentials, second)
    head, _, sent_body = sent.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    assert line == f"{method} {BASE}{path} HTTP/1.1"
    assert sent_body == body
    found = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    assert len(found) == len(lines)
    assert int(found.pop("content-length")) == len(body)
    return found


JSON: Headers = (("Content-Type", "application/x-amz-json-1.0"),)
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"


@pytest.mark.parametrize("service", ["execute-api", "dynamodb", "secretsmanager"])
@pytest.mark.parametrize("given_credentials", [TEMPORARY, PERMANENT], ids=["token", "no token"])
def test_thousands_of_requests_are_signed_as_botocore_signs_them(
    service: str, given_credentials: Credentials
) -> None:
    chance = random.Random(20261123)
    signer = Signer(service, REGION, HOST, BASE)
    second = 1_795_000_000
    for _ in range(700):
        second += chance.choice([0, 0, 1, 7, 86_400])
        letters = UNRESERVED + "/@=+$ é%&?" if chance.random() < 0.5 else UNRESERVED
        connection = "".join(chance.choices(letters, k=15)) + "="
        headers = (*JSON, ("X-Amz-Target", f"Service_2012.Do{chance.random()}"))
        method = chance.choice(["POST", "GET", "DELETE"])
        body = chance.randbytes(chance.randrange(400)) if method == "POST" else b""
        arguments = (
            method,
            f"/{quote(connection)}",
            headers if chance.random() < 0.5 else (),
            body,
            given_credentials,
            second,
        )
        assert signed(signer, *arguments) == signed_by_botocore(service, *arguments)


segments = st.lists(
    st.text(min_size=1, max_size=8).map(quote).filter(lambda text: text not in (".", "..")),
    min_size=1,
    max_size=5,
)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@settings(max_examples=300)
@given(
    segments=segments,
    headers=st.dictionaries(st.sampled_from(["X-A", "x-b", "Content-Type"]), values),
    body=st.binary(max_size=64),
    second=st.integers(0, 4_000_000_000),
)
def test_any_path_and_header_is_signed_as_botocore_signs_it(
    segments: list[str], headers: dict[str, str], body: bytes, second: int
) -> None:
    path = "/" + "/".join(segments)
    arguments = ("POST", path, tuple(headers.items()), body, TEMPORARY, second)
    ours = signed(Signer("execute-api", REGION, HOST, BASE), *arguments)
    theirs = signed_by_botocore("execute-api", *arguments)
    assert ours["authorization"] == theirs["authorization"]


def test_a_connection_id_is_double_encoded_when_signed() -> None:
    arguments = ("POST", "/L0SM9cOFvHcCIhw%3D", (), b"{}", TEMPORARY, 1_800_000_000)
    ours = signed(Signer("execute-api", REGION, HOST, BASE), *arguments)
    assert ours == signed_by_botocore("execute-api", *arguments)


def test_the_signature_follows_changed_credentials_within_the_same_second() -> None:
    signer = Signer("dynamodb", REGION, HOST, BASE)
    for given_credentials in (TEMPORARY, PERMANENT, PERMANENT._replace(secret_key="other")):
        arguments = ("POST", "/", JSON, b"{}", given_credentials, 1_800_000_000)
        assert signed(signer, *arguments) == signed_by_botocore("dynamodb", *arguments)


@pytest.mark.parametrize("header", [("X-A", "b\r\nX-C: d"), ("X-A\n", "b")])
def test_a_line_break_in_a_header_is_rejected(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="line break"):
        Signer("dynamodb", REGION, HOST).request("POST", "/", (header,), b"", TEMPORARY, 0)


def test_credentials_are_read_from_the_environment_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert credentials() == Credentials("AKID", "secret", "token")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OTHER")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert credentials() == Credentials("OTHER", "secret", None)


@given(st.text())
def test_quote_matches_urllib(text: str) -> None:
    from urllib.parse import quote as reference

    assert quote(text) == reference(text, safe="")
