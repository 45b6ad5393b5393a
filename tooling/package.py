"""Builds the Lambda package from app/ and chalicelib/ with `chalice package`.

    python -m tooling.package [ARCHITECTURE]

Each architecture has a package of its own, because some dependencies are compiled. A package is
rebuilt only if its sources have changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
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
# For each architecture of Lambda, the machine in the tags of wheels and its number in ELF files.
ARCHITECTURES = {"arm64": ("aarch64", 0xB7), "x86_64": ("x86_64", 0x3E)}
# Lambda's python3.11 has an older C library than psycopg2's new wheels for arm64 need. A package
# for arm64 then has an older psycopg2 (requirements/arm64.in), so arm64 is not the default there.
# infra/locals.tf has the same default.
OLDER_LIBRARY = sys.version_info < (3, 12)
DEFAULT = "x86_64" if OLDER_LIBRARY else "arm64"
HOST = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
# a copy of the sources for Chalice, with Chalice's cache of wheels
_PROJECT = PACKAGE / "project"
_COMPILED_FOR = re.compile(r"\.cpython-3(\d+)-[^/]*\.so$")
_SHARED_OBJECT = re.compile(r"\.so(\.[\d.]+)?$")
_PIN = re.compile(r"(?m)^(?P<name>[\w.-]+)==.*\n(?:[ \t]+.*\n?)*")  # with its hashes


def archive(architecture: str) -> Path:
    """Return the path of the package for an architecture."""
    return PACKAGE / architecture / "deployment.zip"


ARCHIVE = archive(HOST)  # for the local stack


def fingerprint(architecture: str = HOST) -> str:
    """Return a hash of all files that determine the content of the package."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {architecture}".encode())
    digest.update(requirements(architecture).encode())
    for path in _sources():
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def build(architecture: str = HOST) -> str:
    """Build the package unless it is up to date; return its fingerprint. Raises SetupError."""
    target = archive(architecture)
    stamp = target.with_name(".stamp")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (PACKAGE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint(architecture)
        if target.exists() and stamp.exists() and stamp.read_text() == wanted:
            return wanted
        with Step(f"Lambda package for {architecture}", "chalice package") as step:
            _stage(architecture)
            _run_chalice(architecture)
            older = "" if _newest(architecture) else ", with the versions of requirements/arm64.txt"
            step.done(f"{target.stat().st_size / 1e6:.1f} MB{older}")
            stamp.write_text(wanted)
    return wanted


def runtime(package: Path) -> str:
    """Return the Lambda runtime that a package was built for, such as python3.12.

    Raises
    ------
    SetupError
        The file is not a deployment package of Herald.
    """
    return f"python3.{_built_for(package)[0]}"


def architecture(package: Path) -> str:
    """Return the architecture that a package was built for; raises SetupError as `runtime` does."""
    return _built_for(package)[1]


def _built_for(package: Path) -> tuple[str, str]:
    """Return the minor version of Python and the architecture of the compiled modules."""
    try:
        with zipfile.ZipFile(package) as opened:
            names = opened.namelist()
    except (OSError, zipfile.BadZipFile) as exc:
        raise SetupError(f"{package} is not a deployment package: {exc}") from exc
    # The extension modules of psycopg2 are compiled for one version of Python and one machine.
    compiled = [name for name in names if _COMPILED_FOR.search(name)]
    versions = {match for name in compiled for match in _COMPILED_FOR.findall(name)}
    machines = {
        name
        for name, (machine, _) in ARCHITECTURES.items()
        if any(machine in each for each in compiled)
    }
    if "app.py" not in names or len(versions) != 1 or len(machines) != 1:
        raise SetupError(f"{package} is not a deployment package that `make package` built.")
    return versions.pop(), machines.pop()


def check(package: Path, wanted: str) -> None:
    """Check that a package has every dependency, and that what is compiled is for one architecture.

    The tags of the wheels and the compiled files are checked. Without a wheel for the architecture,
    Chalice omits a dependency or compiles it for this machine.

    Raises
    ------
    SetupError
        The message names what is missing or for another machine.
    """
    machine, number = ARCHITECTURES[wanted]
    with zipfile.ZipFile(package) as opened:
        names = opened.namelist()
        for name, version in re.findall(r"(?m)^([\w.-]+)==([\w.]+)", requirements(wanted)):
            if f"{name.replace('-', '_')}-{version}.dist-info/WHEEL" not in names:
                raise SetupError(
                    f"{name} {version} has no wheel for {wanted} and Lambda's"
                    f" python3.{sys.version_info.minor}: build with a newer Python (3.12 or 3.13),"
                    ' use the architecture "x86_64", or, for arm64 and python3.11, pin an older'
                    " version in requirements/arm64.in."
                )
        for name in names:
            if name.endswith(".dist-info/WHEEL"):
                tags = re.findall(r"(?m)^Tag: \S+-(\S+)$", opened.read(name).decode())
                wrong = not any(tag == "any" or tag.endswith(machine) for tag in tags)
            elif _SHARED_OBJECT.search(name):
                with opened.open(name) as file:
                    wrong = file.read(20)[18:20] != number.to_bytes(2, "little")
            else:
                continue
            if wrong:
                raise SetupError(
                    f"{name} is not for {wanted}: its dependency has no wheel for {machine}."
                    " Use the other architecture, or a version of the dependency that has one."
                )


def requirements(architecture: str) -> str:
    """Return the pinned dependencies of a package, with those that only arm64 needs."""
    text = (ROOT / "app" / "requirements.txt").read_text()
    if _newest(architecture):
        return text
    for pin in _PIN.finditer((ROOT / "requirements" / "arm64.txt").read_text()):
        replaced = [each for each in _PIN.finditer(text) if each["name"] == pin["name"]]
        if len(replaced) != 1:
            name = pin["name"]
            raise SetupError(f"requirements/arm64.txt: {name} is not in app/requirements.txt.")
        text = text[: replaced[0].start()] + pin[0] + text[replaced[0].end() :]
    return text


def _newest(architecture: str) -> bool:
    """Return whether Lambda can load the newest wheels of all dependencies."""
    return architecture != "arm64" or not OLDER_LIBRARY


def _sources() -> Iterator[Path]:
    """Return the package's source files, without bytecode from test runs."""
    chalice = ROOT / "app" / ".chalice" / "config.json"
    yield from (ROOT / "app" / "app.py", ROOT / "app" / "requirements.txt", chalice)
    for path in sorted((ROOT / "chalicelib").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _stage(architecture: str) -> None:
    """Copy only the sources, because existing bytecode would change the hash of the archive.

    Chalice downloads wheels for the architecture in its configuration.
    """
    for name in ("app.py", "chalicelib"):
        target = _PROJECT / name
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    for path in _sources():
        relative = path.relative_to(ROOT)
        inside = relative.relative_to("app") if relative.parts[0] == "app" else relative
        (_PROJECT / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, _PROJECT / inside)
    (_PROJECT / "requirements.txt").write_text(requirements(architecture))
    configuration = _PROJECT / ".chalice" / "config.json"
    settings = json.loads(configuration.read_text())
    configuration.write_text(json.dumps({**settings, "lambda_architecture": architecture}))


def _run_chalice(architecture: str) -> None:
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
    check(output / "deployment.zip", architecture)
    for name in ("chalice.tf.json", "deployment.zip"):
        (output / name).replace(archive(architecture).with_name(name))
    shutil.rmtree(output)


def _add_bytecode(package: Path) -> None:
    """Add bytecode to the archive, so that Lambda does not compile the modules in every cold start.

    The archive must depend only on the sources, so that the same sources give the same hash. The
    bytecode therefore has unchecked hashes instead of time stamps, and is compiled in a process
    with a fixed hash seed.
    """
    unpacked = package.with_suffix(".unpacked")
    shutil.unpack_archive(package, unpacked)
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(unpacked), "-p", "/var/task", str(unpacked)]
    # Some packages include modules for other Python versions. These do not compile, which is
    # harmless.
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, check=False)
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(path for path in unpacked.rglob("*") if path.is_file()):
            # always has the date 1980-01-01
            entry = zipfile.ZipInfo(str(path.relative_to(unpacked)))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, path.read_bytes())


def main() -> int:
    """Build the package of an architecture and print its path; used by make."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else DEFAULT
    if wanted not in ARCHITECTURES:
        print(f"ARCHITECTURE is one of {', '.join(ARCHITECTURES)}, not {wanted}.", file=sys.stderr)
        return 2
    try:
        build(wanted)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(os.path.relpath(archive(wanted)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
