"""The signatures for S3 compared with botocore's, which AWS maintains."""

from __future__ import annotations

import datetime
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from chalicelib.aws.s3 import Bucket
from chalicelib.aws.s3_signing import S3Signer, encoded
from chalicelib.engine.engine import Engine
from chalicelib.engine.sigv4 import Credentials

TEMPORARY = Credentials("ASIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCY", "FwoG/+=ZXIvYXdzE" * 40)
PERMANENT = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCY", None)
REGION = "eu-central-1"
HOST = "herald-test-outputs.s3.eu-central-1.amazonaws.com"
PATH = "/0f1e2d/8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38/0"
SECOND = 1_795_600_000


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime.datetime.fromtimestamp(SECOND, datetime.UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment)


@pytest.mark.parametrize("keys", [TEMPORARY, PERMANENT], ids=["temporary", "permanent"])
@pytest.mark.parametrize(
    ("method", "query", "headers", "body"),
    [
        ("PUT", [], {"content-type": "image/png", "cache-control": "private, max-age=1"}, b"abc"),
        ("POST", [("uploads", "")], {"content-type": "video/mp4"}, b""),
        ("PUT", [("uploadId", "2~aB/c+d=="), ("partNumber", "10")], {}, b"x" * 1000),
        ("GET", [("uploadId", "a b"), ("part-number-marker", "0")], {}, b""),
        ("GET", [], {"range": "bytes=0-0"}, b""),
        ("DELETE", [("uploadId", "é&=%")], {}, b""),
    ],
)
def test_the_header_has_the_signature_of_botocore(
    keys: Credentials,
    method: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
) -> None:
    target = f"https://{HOST}{PATH}" + (f"?{encoded(query)}" if query else "")
    theirs = botocore.awsrequest.AWSRequest(method, target, data=body, headers=dict(headers))
    botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(*keys), "s3", REGION).add_auth(
        theirs
    )
    ours = S3Signer(HOST, REGION).headers(method, PATH, query, headers, body, keys, SECOND)
    wanted = {name.lower(): value for name, value in theirs.headers.items()}
    assert ours["authorization"] == wanted["authorization"]
    assert ours == {name: wanted[name] for name in ours}


@pytest.mark.parametrize("keys", [TEMPORARY, PERMANENT], ids=["temporary", "permanent"])
def test_a_presigned_url_has_the_signature_of_botocore(
    keys: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = botocore.awsrequest.AWSRequest("GET", f"https://{HOST}{PATH}")
    signer = botocore.auth.S3SigV4QueryAuth(
        botocore.credentials.Credentials(*keys), "s3", REGION, expires=900
    )
    signer.add_auth(request)
    monkeypatch.setattr("chalicelib.aws.s3.credentials", lambda: keys)
    bucket = Bucket(
        Engine(), {"AWS_REGION": REGION}, "herald-test-outputs", clock=lambda: float(SECOND)
    )
    ours = urlsplit(bucket.presigned(PATH.removeprefix("/"), 900))
    theirs = urlsplit(str(request.url))
    assert (ours.scheme, ours.netloc, ours.path) == ("https", HOST, PATH)
    assert parse_qs(ours.query) == parse_qs(theirs.query)
