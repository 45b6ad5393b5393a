"""Verifies Signature Version 4 for all keys, including that of the account's root user.

MiniStack verifies only the keys of users and roles. It accepts any signature if the key id is that
of the root user, `test` or an account number, and treats the caller as the root user.
"""

from __future__ import annotations

import hashlib
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

from ministack.core import iam_evaluator, responses, sigv4

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

_SCOPE = (
    r"(?P<key>[A-Za-z0-9]{16,128})/(?P<day>\d{8})/(?P<region>[a-z0-9-]+)"
    r"/(?P<service>[a-z0-9-]+)/aws4_request"
)
_SIGNED = r"(?P<signed>[a-z0-9_-]+(?:;[a-z0-9_-]+)*)"
_AUTHORIZATION = re.compile(
    rf"AWS4-HMAC-SHA256 Credential={_SCOPE}, ?SignedHeaders={_SIGNED}, ?"
    r"Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)
_CREDENTIAL = re.compile(_SCOPE, re.ASCII)
_IN_QUERY = ("algorithm", "credential", "date", "expires", "signedheaders", "signature")
_SKEW = timedelta(minutes=15)
_LONGEST = timedelta(days=7)  # the longest validity of a presigned URL


class Refused(Exception):
    """A request is refused; `code` is AWS's code for the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Request(NamedTuple):
    """The parts of a received request that a signature covers."""

    method: str
    raw_path: str
    query: dict[str, list[str]]
    headers: dict[str, str]

    @classmethod
    def of(cls, scope: MutableMapping[str, Any]) -> Request:
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), sigv4.decode_header_value(raw_value)
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return cls(scope["method"], scope["raw_path"].decode("latin-1"), query, headers)


class Claim(NamedTuple):
    """The parsed signature of a request, which is not yet verified."""

    key: str
    service: str
    presigned: bool
    token: str
    parts: Any  # MiniStack's HeaderSignature


def read(request: Request) -> Claim:
    """Return the signature of a request, from its header or its query string; raises Refused."""
    in_query = {name for name in request.query if _names_a_credential(name)}
    authorization = request.headers.get("authorization")
    if authorization is None and not in_query:
        raise Refused("MissingAuthenticationToken", "Missing Authentication Token")
    if authorization is not None and in_query:
        raise Refused("IncompleteSignature", "Signed in the header and in the query.")
    claim = _from_query(request) if authorization is None else _from_header(request, authorization)
    signed = claim.parts.signed_headers.split(";")
    unsigned = [
        name for name in request.headers if name.startswith("x-amz-") and name not in signed
    ]
    if "host" not in signed or unsigned:
        missing = ", ".join(["host"] if "host" not in signed else unsigned)
        raise Refused("SignatureDoesNotMatch", f"These headers must be signed: {missing}.")
    return claim


def secret_of(claim: Claim) -> str:
    """Return the secret of the claim's key; raises Refused if the key is invalid or expired."""
    if claim.key == os.environ["AWS_ACCESS_KEY_ID"] and not claim.token:
        return os.environ["AWS_SECRET_ACCESS_KEY"]
    if not iam_evaluator.is_root_access_key(claim.key):
        account = responses._account_from_sts_session(claim.key)
        found = iam_evaluator.resolve_credential(claim.key, account, claim.token)
        if isinstance(found, iam_evaluator.ResolvedCredential):
            return str(found.secret_access_key)
    message = "The security token included in the request is invalid."
    raise Refused("UnrecognizedClientException", message)


def verify(claim: Claim, secret: str, request: Request, body: bytes) -> None:
    """Compute the signature and compare it with the claim; raises Refused."""
    said = request.headers.get("x-amz-content-sha256")
    failure = sigv4.header_signature_failure(
        claim.parts, secret, *request, body, presigned=claim.presigned
    )
    if failure is None and said not in (None, hashlib.sha256(body).hexdigest()):
        failure = ("XAmzContentSHA256Mismatch", "The body is not the one that was signed.")
    if failure is not None:
        raise Refused(*failure)


def _names_a_credential(name: str) -> bool:
    lower = name.lower()
    return lower in ("awsaccesskeyid", "signature") or (
        lower.removeprefix("x-amz-") in _IN_QUERY and lower.startswith("x-amz-")
    )


def _from_header(request: Request, authorization: str) -> Claim:
    found = _AUTHORIZATION.fullmatch(authorization)
    date = request.headers.get("x-amz-date", "")
    if found is None:
        raise Refused("IncompleteSignature", "The Authorization header is not in SigV4's form.")
    if not timedelta() - _SKEW <= datetime.now(UTC) - _time(date) <= _SKEW:
        raise Refused("RequestTimeTooSkewed", "Signed more than 15 minutes from now.")
    token = request.headers.get("x-amz-security-token", "")
    return _claim(found, found["signed"], found["signature"], date, token, presigned=False)


def _from_query(request: Request) -> Claim:
    values = {name.removeprefix("X-Amz-").lower(): each for name, each in request.query.items()}
    given = {name: values[name][0] for name in _IN_QUERY if len(values.get(name, ())) == 1}
    named = [name for name in request.query if _names_a_credential(name)]
    well_named = all(name.startswith("X-Amz-") for name in named) and len(named) == len(_IN_QUERY)
    found = _CREDENTIAL.fullmatch(given.get("credential", ""))
    algorithm = given.get("algorithm")
    # Only S3 accepts presigned URLs whose signature does not cover the body. Herald presigns only
    # for reading, so a body is never accepted without a signature.
    reads = found is not None and (found["service"] != "s3" or request.method in ("GET", "HEAD"))
    if not (well_named and found and algorithm == "AWS4-HMAC-SHA256" and reads):
        raise Refused("IncompleteSignature", "The query is not in the form of a presigned URL.")
    age = datetime.now(UTC) - _time(given["date"])
    lifetime = timedelta(seconds=int(given["expires"]) if given["expires"].isdecimal() else 0)
    if not -_SKEW <= age <= lifetime <= _LONGEST:
        raise Refused("RequestExpired", "The presigned URL has expired or is not valid yet.")
    token = values.get("security-token", [""])[0]
    signed, signature = given["signedheaders"], given["signature"]
    return _claim(found, signed, signature, given["date"], token, presigned=True)


def _claim(
    scope: Mapping[str, str] | re.Match[str],
    signed: str,
    signature: str,
    date: str,
    token: str,
    *,
    presigned: bool,
) -> Claim:
    parts = sigv4.HeaderSignature(
        scope["key"], scope["day"], scope["region"], scope["service"], signed, signature, date
    )
    return Claim(scope["key"], scope["service"], presigned, token, parts)


def _time(date: str) -> datetime:
    try:
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refused("IncompleteSignature", "There is no valid X-Amz-Date.") from None
