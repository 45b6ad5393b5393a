"""`make package` builds for both architectures, whatever this machine is."""

from __future__ import annotations

import re
import zipfile

import pytest

from tooling import package

pytestmark = pytest.mark.integration

# https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html: e_machine, in little endian.
MACHINES = {"arm64": ("aarch64", b"\xb7\x00"), "x86_64": ("x86_64", b"\x3e\x00")}


@pytest.mark.parametrize("architecture", MACHINES)
def test_everything_in_a_package_is_for_its_architecture(architecture: str) -> None:
    package.build(architecture)
    machine, number = MACHINES[architecture]
    tags: list[str] = []
    machines: dict[str, bytes] = {}
    with zipfile.ZipFile(package.archive(architecture)) as opened:
        for name in opened.namelist():
            content = opened.read(name)
            if content.startswith(b"\x7fELF"):
                machines[name] = content[18:20]
            elif name.endswith(".dist-info/WHEEL"):
                tags += re.findall(r"(?m)^Tag: \S+?-\S+?-(\S+)$", content.decode())
    assert set(machines.values()) == {number}, machines
    for module in ("psycopg2/_psycopg", "pydantic_core/_pydantic_core", "_cffi_backend"):
        assert any(name.startswith(module) and machine in name for name in machines), module
    # Wheels of projects for Linux, none that was compiled here for this machine's C library.
    assert all(re.fullmatch(rf"any|manylinux.*_{machine}", tag) for tag in tags), tags
    assert package.architecture(package.archive(architecture)) == architecture
