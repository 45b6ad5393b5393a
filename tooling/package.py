"""Builds the Lambda package from app/ and chalicelib/ with `chalice package`.

The package is rebuilt only if its sources have changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from tooling import BUILD, ROOT, SetupError, logs
from tooling.progress import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = BUILD / "package"
ARCHIVE = PACKAGE / "deployment.zip"
# a copy of the sources for Chalice, with Chalice's cache of wheels
_PROJECT = PACKAGE / "project"
_STAMP = PACKAGE / ".stamp"
_COMPILED_FOR = re.compile(r"\.cpython-3(\d+)-[^/]*\.so$")


def fingerprint() -> str:
    """Return a hash of all files that determine the content of the package."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for path in _sources():
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def build() -> str:
    """Build the package unless it is up to date; return its fingerprint. Raises SetupError."""
    PACKAGE.mkdir(parents=True, exist_ok=True)
    with (PACKAGE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint()
        if ARCHIVE.exists() and _STAMP.exists() and _STAMP.read_text() == wanted:
            return wanted
        with Step("Lambda package", "chalice package") as step:
            _stage()
            _run_chalice()
            step.done(f"{ARCHIVE.stat().st_size / 1e6:.1f} MB")
            _STAMP.write_text(wanted)
    return wanted


def runtime(archive: Path) -> str:
    """Return the Lambda runtime that a package was built for, such as python3.12.

    Raises
    ------
    SetupError
        The file is not a deployment package of Herald.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
    except (OSError, zipfile.BadZipFile) as exc:
        raise SetupError(f"{archive} is not a deployment package: {exc}") from exc
    # The extension modules of psycopg2 are compiled for one version of Python.
    versions = {match for name in names for match in _COMPILED_FOR.findall(name)}
    if "app.py" not in names or len(versions) != 1:
        raise SetupError(f"{archive} is not a deployment package that `make package` built.")
    return f"python3.{versions.pop()}"


def _sources() -> Iterator[Path]:
    """Return the package's source files, without bytecode from test runs."""
    chalice = ROOT / "app" / ".chalice" / "config.json"
    yield from (ROOT / "app" / "app.py", ROOT / "app" / "requirements.txt", chalice)
    for path in sorted((ROOT / "chalicelib").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _stage() -> None:
    """Copy only the sources, because existing bytecode would change the hash of the archive."""
    for name in ("app.py", "chalicelib"):
        target = _PROJECT / name
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    for path in _sources():
        relative = path.relative_to(ROOT)
        inside = relative.relative_to("app") if relative.parts[0] == "app" else relative
        (_PROJECT / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, _PROJECT / inside)


def _run_chalice() -> None:
    output = PACKAGE / "new"
    shutil.rmtree(output, ignore_errors=True)
    chalice = Path(sys.executable).with_name("chalice")
    command = [str(chalice), "--project-dir", str(_PROJECT), "package", "--stage", "herald"]
    command += ["--pkg-format", "terraform", str(output)]
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_DEFAULT_REGION": "us-east-1",  # Chalice requires a Region but does not use it
    }
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    log = BUILD / "logs" / "package.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(result.stdout + result.stderr)
    if result.returncode != 0 or not (output / "deployment.zip").exists():
        raise SetupError(f"chalice package failed. {logs.ending(log)}")
    _add_bytecode(output / "deployment.zip")
    for name in ("chalice.tf.json", "deployment.zip"):
        (output / name).replace(PACKAGE / name)
    shutil.rmtree(output)


def _add_bytecode(archive: Path) -> None:
    """Add bytecode to the archive, so that Lambda does not compile the modules in every cold start.

    The archive must depend only on the sources, so that the same sources give the same hash. The
    bytecode therefore has unchecked hashes instead of time stamps, and is compiled in a process
    with a fixed hash seed.
    """
    unpacked = archive.with_suffix(".unpacked")
    shutil.unpack_archive(archive, unpacked)
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(unpacked), "-p", "/var/task", str(unpacked)]
    # Some packages include modules for other Python versions. These do not compile, which is
    # harmless.
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, check=False)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(path for path in unpacked.rglob("*") if path.is_file()):
            # always has the date 1980-01-01
            entry = zipfile.ZipInfo(str(path.relative_to(unpacked)))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, path.read_bytes())


def main() -> int:
    """Build the package and print its path; used by make."""
    try:
        build()
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(os.path.relpath(ARCHIVE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
