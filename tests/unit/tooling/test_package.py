"""The package's fingerprint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tooling import package

if TYPE_CHECKING:
    from pathlib import Path


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


def test_bytecode_does_not_make_the_package_stale(project: Path) -> None:
    before = package.fingerprint()
    (project / "chalicelib" / "__pycache__").mkdir()
    (project / "chalicelib" / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"x")
    assert package.fingerprint() == before
