"""The signer against botocore's, which AWS itself maintains."""

import datetime
import random

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.sigv4 import Credentials, Headers, Signer, credentials, quote

TEMPORARY = Credentials("ASIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCY", "FwoGZXIvYXdzE" * 60)
PERMANENT = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCY", None)
HOST = "abc123.execute-api.eu-central-1.amazonaws.com"


def signed_by_botocore(
    service: str,
    method: str,
    target: str,
    headers: Headers,
    body: bytes,
    given_credentials: Credentials,
    now: float,
) -> dict[str, str]:
    request = botocore.awsrequest.AWSRequest(method, f"https://{HOST}{target}", data=body)
    for name, value in headers:
        request.headers[name] = value
    keys = botocore.credentials.Credentials(*given_credentials)
    signer = botocore.auth.SigV4Auth(keys, service, "eu-central-1")
    with pytest.MonkeyPatch.context() as patch:
        moment = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
        patch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()} | {"host": HOST}


def signed(
    signer: Signer,
    method: str,
    target: str,
    headers: Headers,
    body: bytes,
    given_credentials: Credentials,
    now: float,
) -> dict[str, str]:
    lines = signer.headers(method, HOST, target, headers, body, given_credentials, now)
    assert lines.endswith("\r\n")
    return {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in lines.split("\r\n")[:-1])
    }


JSON: Headers = (("Content-Type", "application/x-amz-json-1.0"),)
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"


@pytest.mark.parametrize("service", ["execute-api", "dynamodb", "secretsmanager"])
@pytest.mark.parametrize("given_credentials", [TEMPORARY, PERMANENT], ids=["token", "no token"])
def test_thousands_of_requests_are_signed_as_botocore_signs_them(
    service: str, given_credentials: Credentials
) -> None:
    chance = random.Random(20261123)
    signer = Signer(service, "eu-central-1")
    now = 1_795_000_000.0
    for _ in range(700):
        now += chance.choice([0, 0, 0.25, 1, 7, 86_400])
        letters = UNRESERVED + "/@=+$ é%&" if chance.random() < 0.5 else UNRESERVED
        connection = "".join(chance.choices(letters, k=15)) + "="
        target = f"/prod/@connections/{quote(connection)}"
        headers: Headers = ()
        if service != "execute-api":
            target, headers = "/", (*JSON, ("X-Amz-Target", f"Service_2012.Do{chance.random()}"))
        elif chance.random() < 0.3:
            target += "?" + "&".join(
                f"{quote(''.join(chance.choices(letters, k=3)))}={chance.randrange(100)}"
                for _ in range(chance.randrange(1, 5))
            )
        method = chance.choice(["POST", "GET", "DELETE"])
        body = chance.randbytes(chance.randrange(400)) if method == "POST" else b""
        arguments = (method, target, headers, body, given_credentials, now)
        assert signed(signer, *arguments) == signed_by_botocore(service, *arguments)


segments = st.lists(
    st.one_of(st.sampled_from(["", ".", "..", "a", "...", ".a"]), st.text(max_size=8).map(quote)),
    max_size=5,
)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@settings(max_examples=300, deadline=None)
@given(
    segments=segments,
    query=st.lists(st.tuples(st.text(max_size=4).map(quote), st.text(max_size=4).map(quote))),
    headers=st.dictionaries(st.sampled_from(["X-A", "x-b", "Content-Type"]), values),
    body=st.binary(max_size=64),
    second=st.integers(0, 4_000_000_000),
)
def test_any_path_query_and_header_is_signed_as_botocore_signs_it(
    segments: list[str],
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    second: int,
) -> None:
    target = "/" + "/".join(segments)
    if target.startswith("//"):
        target = "/x" + target  # as a URL it would name another host
    if query:
        target += "?" + "&".join(f"{name}={value}" for name, value in query)
    arguments = ("POST", target, tuple(headers.items()), body, TEMPORARY, float(second))
    ours = signed(Signer("execute-api", "eu-central-1"), *arguments)
    theirs = signed_by_botocore("execute-api", *arguments)
    assert ours["authorization"] == theirs["authorization"]


def test_a_connection_id_is_signed_twice_encoded() -> None:
    arguments = ("POST", "/prod/@connections/L0SM9cOFvHcCIhw%3D", (), b"{}", TEMPORARY, 1.8e9)
    ours = signed(Signer("execute-api", "eu-central-1"), *arguments)
    assert ours == signed_by_botocore("execute-api", *arguments)


def test_the_signature_follows_changed_credentials_within_the_same_second() -> None:
    signer = Signer("dynamodb", "eu-central-1")
    for given_credentials in (TEMPORARY, PERMANENT, PERMANENT._replace(secret_key="other")):
        arguments = ("POST", "/", JSON, b"{}", given_credentials, 1_800_000_000.5)
        assert signed(signer, *arguments) == signed_by_botocore("dynamodb", *arguments)


@pytest.mark.parametrize("header", [("X-A", "b\r\nX-C: d"), ("X-A\n", "b")])
def test_a_line_break_in_a_header_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="line break"):
        Signer("dynamodb", "x").headers("POST", HOST, "/", (header,), b"", TEMPORARY, 0.0)


def test_credentials_are_those_of_the_environment_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert credentials() == Credentials("AKID", "secret", "token")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OTHER")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert credentials() == Credentials("OTHER", "secret", None)


@given(st.text())
def test_quote_is_that_of_urllib(text: str) -> None:
    from urllib.parse import quote as reference

    assert quote(text) == reference(text, safe="")
