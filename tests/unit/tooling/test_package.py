"""The package's fingerprint, its Python version, and its architecture."""

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
        "requirements/arm64.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_each_architecture_has_its_own_package(project: Path) -> None:
    assert package.fingerprint("arm64") != package.fingerprint("x86_64")
    assert package.archive("arm64") != package.archive("x86_64")
    assert package.archive(package.HOST) == package.ARCHIVE


PINS = """\
cffi==2.1.1 ; platform_python_implementation != 'PyPy' \\
    --hash=sha256:1
psycopg2-binary==2.9.13 \\
    --hash=sha256:2 \\
    --hash=sha256:3
    # via -r runtime.in
pyjwt==2.15.1 \\
    --hash=sha256:4
"""
OLDER = """\
psycopg2-binary==2.9.11 \\
    --hash=sha256:5
    # via -r arm64.in
"""


@pytest.mark.parametrize(
    ("architecture", "older_library", "version"),
    [
        ("arm64", True, "2.9.11"),
        ("arm64", False, "2.9.13"),
        ("x86_64", True, "2.9.13"),
        ("x86_64", False, "2.9.13"),
    ],
)
def test_only_arm64_with_an_older_library_has_an_older_dependency(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    older_library: bool,
    version: str,
) -> None:
    monkeypatch.setattr(package, "OLDER_LIBRARY", older_library)
    (project / "app" / "requirements.txt").write_text(PINS)
    (project / "requirements" / "arm64.txt").write_text(OLDER)
    before, _, after = PINS.partition("psycopg2")
    text = package.requirements(architecture)
    assert text.startswith(f"{before}psycopg2-binary=={version} ")
    assert text.endswith(after[after.index("pyjwt") :])
    assert ("sha256:5" in text, "sha256:2" in text) == (version == "2.9.11", version == "2.9.13")


def test_a_pin_for_arm64_replaces_one_that_exists(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "OLDER_LIBRARY", True)
    (project / "app" / "requirements.txt").write_text(PINS)
    (project / "requirements" / "arm64.txt").write_text(OLDER.replace("psycopg2", "psycopg"))
    with pytest.raises(SetupError, match=r"arm64\.txt: psycopg-binary is not in"):
        package.requirements("arm64")


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
    built = archive(tmp_path / "p.zip", *names)
    assert (package.runtime(built), package.architecture(built)) == ("python3.13", "x86_64")


def elf(machine: int) -> bytes:
    return b"\x7fELF".ljust(18, b"\0") + machine.to_bytes(2, "little") + b"rest"


def wheel(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return path


ARM, X86 = elf(0xB7), elf(0x3E)
TAGS = "Tag: cp313-cp313-manylinux_2_17_{0}\nTag: cp313-cp313-manylinux2014_{0}\n"


@pytest.mark.parametrize("name", ["a/_b.cpython-313-aarch64-linux-gnu.so", "libs/libpq.so.5.16"])
def test_compiled_files_are_for_the_architecture(project: Path, tmp_path: Path, name: str) -> None:
    package.check(wheel(tmp_path / "p.zip", **{name: ARM}), "arm64")
    with pytest.raises(SetupError, match=f"{name} is not for arm64"):
        package.check(wheel(tmp_path / "p.zip", **{name: X86}), "arm64")


def test_a_package_has_every_dependency(project: Path, tmp_path: Path) -> None:
    pins = "psycopg2-binary==2.9.13 \\\n    --hash=sha256:1\npyjwt==2.15.1\n"
    (project / "app" / "requirements.txt").write_text(pins)
    found = {"pyjwt-2.15.1.dist-info/WHEEL": b"Tag: py3-none-any\n"}
    with pytest.raises(SetupError, match=r"psycopg2-binary 2\.9\.13 has no wheel for arm64"):
        package.check(wheel(tmp_path / "p.zip", **found), "arm64")
    found["psycopg2_binary-2.9.13.dist-info/WHEEL"] = TAGS.format("aarch64").encode()
    package.check(wheel(tmp_path / "p.zip", **found), "arm64")


def test_the_tags_of_wheels_are_for_the_architecture(project: Path, tmp_path: Path) -> None:
    name = "psycopg2.dist-info/WHEEL"
    pure, arm = b"Tag: py3-none-any\n", TAGS.format("aarch64").encode()
    for tags in (pure, arm):
        package.check(wheel(tmp_path / "p.zip", **{name: tags}), "arm64")
    with pytest.raises(SetupError, match="no wheel for x86_64"):
        package.check(wheel(tmp_path / "p.zip", **{name: arm}), "x86_64")


@pytest.mark.parametrize(
    "names",
    [
        ("app.py",),
        ("a/_b.cpython-313-x86_64-linux-gnu.so",),
        ("app.py", "_a.cpython-312-x86_64-linux-gnu.so", "_b.cpython-313-x86_64-linux-gnu.so"),
        ("app.py", "_a.cpython-313-x86_64-linux-gnu.so", "_b.cpython-313-aarch64-linux-gnu.so"),
    ],
)
def test_other_archives_are_no_packages(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(SetupError, match="is not a deployment package"):
        package.runtime(archive(tmp_path / "p.zip", *names))


def test_a_missing_file_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"p\.zip is not a deployment package"):
        package.runtime(tmp_path / "p.zip")
