"""Checks a token: which of its claims, its algorithm or its signature is wrong."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import jwt

from chalicelib.errors import HeraldError
from chalicelib.sessions.tokens import LEEWAY_SECONDS, SHORTEST_SECRET_BYTES, Rules, Tokens
from cli.console import age
from cli.doctor.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REQUIRED = ("sub", "iss", "aud", "iat", "exp")


def check(token: str, rules: Rules, secret: str | None, now: float) -> Finding:
    """Return the first problem of a token; `now` is in seconds since 1970.

    `secret` is the HS256 secret or the public key; None if the issuer's keys are fetched, whose
    signature is not checked here.
    """
    try:
        header = jwt.get_unverified_header(token)
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as exc:
        return Finding(
            "token",
            f"This is not a JWT: {exc}.",
            "Give the token alone, without `Bearer` and without the `bearer.` of the subprotocol.",
        )
    problems = chain(_algorithm(header, rules), _claims(claims, rules), _times(claims, now))
    if problem := next(problems, None):
        return problem
    if secret is not None and (problem := _signature(token, rules, secret)):
        return problem
    left = age(float(claims["exp"]) - now)
    return Finding("token", f"The token of {claims['sub']} is valid for {left}.")


def _algorithm(header: Mapping[str, Any], rules: Rules) -> Iterator[Finding]:
    if (used := header.get("alg")) != rules.algorithm:
        yield Finding(
            "token",
            f"The token is signed with {used}, but Herald verifies {rules.algorithm}.",
            f"Sign with {rules.algorithm}, or set jwt_algorithm to {used} and deploy.",
        )


def _claims(claims: Mapping[str, Any], rules: Rules) -> Iterator[Finding]:
    for name in _REQUIRED:
        if claims.get(name) in (None, ""):
            yield Finding("token", f"The claim {name} is missing.", f"Add {name} to the claims.")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    for name, given, wanted in [
        ("iss", [claims.get("iss")], rules.issuer),
        ("aud", audiences, rules.audience),
    ]:
        if wanted not in given:
            shown = ", ".join(map(str, given))
            yield Finding(
                "token",
                f"The claim {name} is {shown}, but Herald expects {wanted}.",
                f"Let your backend set {name} to {wanted}.",
            )
    if not isinstance(claims.get("sub"), str):
        yield Finding("token", "The claim sub is not text.", "Set sub to the user's id, as text.")


def _times(claims: Mapping[str, Any], now: float) -> Iterator[Finding]:
    try:
        expires, issued = float(claims["exp"]), float(claims["iat"])
    except (TypeError, ValueError):
        yield Finding("token", "exp or iat is not a number.", "Write seconds since 1970.")
        return
    if expires + LEEWAY_SECONDS <= now:
        yield Finding(
            "token",
            f"The token expired {age(now - expires)} ago.",
            "Fetch a fresh token for every connection; the clients call `token` each time.",
        )
    if issued - LEEWAY_SECONDS > now:
        yield Finding(
            "token",
            f"The token was issued {age(issued - now)} in the future.",
            "Correct the clock of the machine that issues tokens, or write seconds in iat, not"
            " milliseconds.",
        )


def _signature(token: str, rules: Rules, secret: str) -> Finding | None:
    if rules.algorithm == "HS256" and len(secret.encode()) < SHORTEST_SECRET_BYTES:
        return Finding(
            "token",
            f"Herald's JWT secret is shorter than {SHORTEST_SECRET_BYTES} bytes.",
            "Set a longer one: `./herald secret set jwt --generate`.",
        )
    try:
        # The rules that Herald itself applies decide; the checks above only explain them.
        Tokens(rules, lambda: secret).verify(token)
    except HeraldError as exc:
        if "signature" in str(exc).lower():
            return Finding(
                "token",
                "Another secret signed the token.",
                "Give your backend the JWT secret of this Herald. Use its text as it is: do not"
                " decode it from base64.",
            )
        return Finding("token", f"Herald refuses it: {exc}.", "Correct this in your backend.")
    return None
