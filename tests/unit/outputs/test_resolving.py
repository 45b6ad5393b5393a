"""A host is loaded from only if all of its addresses are on the public internet."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from chalicelib.errors import CopyFailed
from chalicelib.outputs.resolving import is_public, resolve
from chalicelib.providers.hosts import Address

PUBLIC = Address("https", "cdn.example.com", 443, "/")


def answers(*texts: str) -> Any:
    def lookup(host: str, port: int, **options: object) -> list[tuple[Any, ...]]:
        return [
            (
                socket.AF_INET6 if ":" in text else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (text, port, 0, 0) if ":" in text else (text, port),
            )
            for text in texts
        ]

    return lookup


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.1", "10.0.0.1", "172.16.0.1", "172.31.255.255",
        "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "192.0.0.1", "192.0.2.1",
        "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1",
        "100::1", "", "cdn.example.com", "2130706433",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    assert not is_public(text)
    with pytest.raises(CopyFailed, match="private_address") as caught:
        resolve(PUBLIC, answers("93.184.216.34", text))
    assert caught.value.permanent


@pytest.mark.parametrize(
    "text", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"]
)
def test_a_public_address_is_returned(text: str) -> None:
    [(_, where)] = resolve(PUBLIC, answers(text))
    assert where[:2] == (text, 443)


def test_a_name_without_an_address_is_worth_another_try() -> None:
    def fails(*arguments: object, **options: object) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    for lookup in (fails, answers()):
        with pytest.raises(CopyFailed, match="unresolved") as caught:
            resolve(PUBLIC, lookup)
        assert not caught.value.permanent


def test_a_host_of_the_local_stack_may_be_private() -> None:
    private = PUBLIC._replace(is_private=True)
    assert resolve(private, answers("127.0.0.1")) == [(socket.AF_INET, ("127.0.0.1", 443))]
