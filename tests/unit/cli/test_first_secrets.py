"""The secrets of a new stage: generated, asked for, or named with their commands."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cli import first_secrets
from cli.console import CommandError
from cli.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DSN = "postgresql://u:p@h:5432/d"


class FakeSecrets:
    """Secrets Manager with the secrets of stage `s`, some of which have a value."""

    def __init__(self, **values: str) -> None:
        self.values = {f"herald-s-{kind}": value for kind, value in values.items()}

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        if SecretId not in self.values:
            return {"Name": SecretId}
        return {"Name": SecretId, "VersionIdsToStages": {"v1": ["AWSCURRENT"]}}

    def put_secret_value(self, *, SecretId: str, SecretString: str) -> None:  # noqa: N803
        self.values[SecretId] = SecretString


class FakeTarget(Target):
    """A stage `s` with these secrets."""

    def __init__(self, secrets: FakeSecrets) -> None:
        super().__init__("stage s", {"stage": "s"})
        self._secrets = secrets

    def client(self, service: str) -> Any:
        assert service == "secretsmanager"
        return self._secrets


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A terminal on which these answers are typed in order; all of them must be asked for."""
    answers: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: answers.pop(0))
    monkeypatch.setattr("builtins.input", lambda prompt: answers.pop(0))
    yield answers
    assert answers == []


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)


def fill(secrets: FakeSecrets, *, jwks: bool = False, algorithm: str = "HS256") -> list[str]:
    return list(first_secrets.fill(FakeTarget(secrets), jwks=jwks, algorithm=algorithm))


def test_a_new_stage_gets_all_three(
    terminal: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal += [DSN, "x" * 32]
    secrets = FakeSecrets()

    assert fill(secrets) == ["database", "webhook", "jwt"]

    webhook = secrets.values["herald-s-webhook"]
    assert webhook.startswith("whsec_")
    assert secrets.values["herald-s-database"] == DSN
    assert secrets.values["herald-s-jwt"] == "x" * 32
    said = capsys.readouterr().err
    assert "get-secret-value --secret-id herald-s-webhook" in said
    assert not any(value in said for value in secrets.values.values())


@pytest.mark.usefixtures("no_terminal")
def test_values_that_are_set_are_kept() -> None:
    secrets = FakeSecrets(database=DSN, webhook="w", jwt="j")
    before = dict(secrets.values)
    assert fill(secrets) == []
    assert secrets.values == before


@pytest.mark.usefixtures("no_terminal")
def test_without_a_terminal_the_message_has_the_commands() -> None:
    secrets = FakeSecrets()

    with pytest.raises(CommandError) as error:
        fill(secrets)

    assert "./herald secret set database --stage s < dsn.txt" in str(error.value)
    assert "./herald secret set jwt --stage s" in str(error.value)
    assert set(secrets.values) == {"herald-s-webhook"}


@pytest.mark.usefixtures("no_terminal")
def test_with_a_jwks_no_token_key_is_needed() -> None:
    assert fill(FakeSecrets(database=DSN, webhook="w"), jwks=True, algorithm="RS256") == []


def test_an_invalid_answer_is_asked_for_again(terminal: list[str]) -> None:
    terminal += ["mysql://h/d", DSN]
    secrets = FakeSecrets(webhook="w", jwt="j")
    assert fill(secrets) == ["database"]
    assert secrets.values["herald-s-database"] == DSN


def test_an_empty_answer_generates_the_token_secret(terminal: list[str]) -> None:
    terminal += [""]
    secrets = FakeSecrets(database=DSN, webhook="w")
    assert fill(secrets) == ["jwt"]
    assert len(secrets.values["herald-s-jwt"]) >= 32


def test_a_public_key_is_read_from_its_file(terminal: list[str], tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    (tmp_path / "key.pem").write_text(pem)
    terminal += [str(tmp_path / "missing.pem"), str(tmp_path / "key.pem")]
    secrets = FakeSecrets(database=DSN, webhook="w")

    assert fill(secrets, algorithm="ES256") == ["jwt"]
    assert secrets.values["herald-s-jwt"] == pem.strip()
