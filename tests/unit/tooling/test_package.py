"""The package's fingerprint."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from tooling import SetupError, package

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


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name in names:
            opened.writestr(name, "")
    return path


def test_the_runtime_is_that_of_the_compiled_modules(tmp_path: Path) -> None:
    names = ("app.py", "a/_b.cpython-313-x86_64-linux-gnu.so", "c/_rust.abi3.so")
    assert package.runtime(archive(tmp_path / "p.zip", *names)) == "python3.13"


@pytest.mark.parametrize(
    "names",
    [
        ("app.py",),
        ("a/_b.cpython-313-x86_64-linux-gnu.so",),
        ("app.py", "_a.cpython-312-x86_64-linux-gnu.so", "_b.cpython-313-x86_64-linux-gnu.so"),
    ],
)
def test_other_archives_are_no_packages(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(SetupError, match="is not a deployment package"):
        package.runtime(archive(tmp_path / "p.zip", *names))


def test_a_missing_file_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"p\.zip is not a deployment package"):
        package.runtime(tmp_path / "p.zip")
