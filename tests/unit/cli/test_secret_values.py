"""The valid forms of secret values, and the options of the command."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from cli import secret_values
from cli.console import CommandError
from tests.command_line import herald

if TYPE_CHECKING:
    from cli.secret_values import Kind

GOOD = "whsec_" + base64.b64encode(b"k" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
RDS = '{"username": "u", "password": "p", "host": "h", "port": 5432, "dbname": "d"}'
DSN = "postgresql://herald:p%40ss@db.example:5432/herald?sslmode=require"


def public_pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.mark.parametrize(
    ("kind", "given", "stored"),
    [
        ("database", f"{DSN}\n", DSN),
        ("database", "postgres://u:p@h1:1,h2:2/d", "postgres://u:p@h1:1,h2:2/d"),
        ("database", "host=h dbname=d user=u password=p", "host=h dbname=d user=u password=p"),
        ("database", RDS, RDS),
        ("webhook", f" {GOOD}\n", GOOD),
        ("webhook", f"{GOOD} {OTHER}", f"{GOOD}\n{OTHER}"),
        ("jwt", "s" * 32 + "\n", "s" * 32),
        ("jwt", "ä" * 16, "ä" * 16),
    ],
)
def test_valid_values_are_stored_without_surrounding_white_space(
    kind: Kind, given: str, stored: str
) -> None:
    assert secret_values.checked(kind, given) == stored


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("database", " ", "empty"),
        ("database", "mysql://u:hunter2@h/d", "cannot be parsed"),
        ("database", "host=db password=hunter2", "lacks host or database"),
        ("database", '{"username": "u", "password": "hunter2"}', "lacks host, dbname"),
        ("database", "postgresql://u:hunter2@/d", "lacks host"),
        ("database", "postgresql://u:hunter2@h", "lacks host"),
        ("database", "postgresql://u:hunter2@h:port:port/d", "port"),
        ("database", "postgresql://u:hunter2%@h/d", "%25"),
        ("webhook", base64.b64encode(b"hunter2" * 4).decode(), "Secret 1"),
        ("webhook", "whsec_" + base64.b64encode(b"hunter2" * 3).decode(), "24 bytes"),
        ("webhook", f"{GOOD} whsec_hunter2!", "Secret 2 is not base64"),
        ("webhook", f"{GOOD} {GOOD}", "twice"),
        ("jwt", "hunter2", "32 bytes"),
        ("jwt", "-----BEGIN PUBLIC KEY-----\nhunter2\n-----END PUBLIC KEY-----", "not a public"),
    ],
)
def test_other_values_are_rejected_without_being_shown(kind: Kind, given: str, says: str) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        secret_values.checked(kind, given)
    assert "hunter2" not in str(caught.value)


def test_public_keys_for_rs256_and_es256_are_accepted() -> None:
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())):
        assert secret_values.checked("jwt", public_pem(key)) == public_pem(key).strip()


def test_keys_that_herald_cannot_use_are_rejected() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(CommandError, match="private key"):
        secret_values.checked("jwt", private_pem(private))
    for key in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        with pytest.raises(CommandError, match="neither RSA"):
            secret_values.checked("jwt", public_pem(key))


@pytest.mark.parametrize("kind", ["webhook", "jwt"])
def test_generated_values_are_valid_and_never_the_same(kind: Kind) -> None:
    first, second = secret_values.generated(kind), secret_values.generated(kind)
    assert secret_values.checked(kind, first) == first
    assert first != second


def test_a_dsn_cannot_be_generated() -> None:
    with pytest.raises(CommandError, match="webhook and jwt"):
        secret_values.generated("database")


@pytest.mark.parametrize(
    "words",
    [
        ["set", "jwt", "--add"],
        ["retire", "database"],
        ["set", "webhook", "--print"],
        ["retire", "webhook", "--generate"],
        ["retire", "webhook", "--add"],
    ],
)
def test_options_that_make_no_sense_are_usage_errors(words: list[str]) -> None:
    result = herald("secret", *words)
    assert result.exit_code == 2
    assert "Usage: herald secret" in result.stderr
