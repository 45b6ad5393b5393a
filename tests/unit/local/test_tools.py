"""The small tools: ports, progress, tokens, the package's fingerprint."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import jwt
import pytest

from local import package, ports, tokens
from local.progress import Step

if TYPE_CHECKING:
    from pathlib import Path


def test_a_reserved_port_is_given_to_nobody_else() -> None:
    with ports.reserve_port() as reservation:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(reservation.getsockname())
        address = reservation.getsockname()
    with socket.socket() as other:
        other.bind(address)


def test_a_step_tells_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with Step("Emulator", "once") as step:
        step.done("ready")
    said = capsys.readouterr().out
    assert said.startswith("→ Emulator (once)\n✓ Emulator: ready, ")


def test_a_step_that_fails_says_so_and_lets_the_error_pass(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="broken"), Step("Emulator"):
        raise ValueError("broken")
    assert "✗ Emulator" in capsys.readouterr().out


def test_a_token_holds_what_herald_asks_for() -> None:
    secret = "s" * 48
    environment = {
        "HERALD_JWT_SECRET": secret,
        "HERALD_JWT_ISSUER": "studio",
        "HERALD_JWT_AUDIENCE": "herald",
    }
    token = tokens.issue(environment, "alice", lifetime=60)
    claims = jwt.decode(token, secret, algorithms=["HS256"], audience="herald", issuer="studio")
    assert claims["sub"] == "alice"
    assert claims["exp"] - claims["iat"] == 60


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(package, "ROOT", tmp_path)
    for name in (
        "app/app.py",
        "app/requirements.txt",
        "app/.chalice/config.json",
        "chalicelib/a.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_the_package_is_stale_when_a_source_changes(project: Path) -> None:
    before = package.fingerprint()
    (project / "chalicelib" / "a.py").write_text("changed")
    assert package.fingerprint() != before


def test_the_package_is_not_stale_because_a_test_run_left_bytecode(project: Path) -> None:
    before = package.fingerprint()
    (project / "chalicelib" / "__pycache__").mkdir()
    (project / "chalicelib" / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"x")
    assert package.fingerprint() == before
