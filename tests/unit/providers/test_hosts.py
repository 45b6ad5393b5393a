"""Only addresses on a provider's list are accepted, in one reading."""

from __future__ import annotations

import pytest

from chalicelib.providers import registry
from chalicelib.providers.hosts import PATTERN, Address, Hosts

HOSTS = Hosts(["replicate.delivery", "*.fal.media"], ["127.0.0.1:8081", "[::1]:9", "10.0.0.1:*"])


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://replicate.delivery/x/out-0.webp", "replicate.delivery", "/x/out-0.webp"),
        ("https://REPLICATE.delivery:443/a?b=c%2F", "replicate.delivery", "/a?b=c%2F"),
        ("https://v3b.fal.media/files/a.png", "v3b.fal.media", "/files/a.png"),
        ("https://a.b.fal.media", "a.b.fal.media", "/"),
        ("https://replicate.delivery/a#fragment", "replicate.delivery", "/a"),
    ],
)
def test_an_address_on_the_list_is_read(url: str, host: str, target: str) -> None:
    assert HOSTS.read(url) == Address("https", host, 443, target)


@pytest.mark.parametrize(
    "url",
    [
        "http://replicate.delivery/a",  # not encrypted
        "https://replicate.delivery:8443/a",  # odd port
        "https://replicate.delivery:80/a",
        "https://replicate.delivery:x/a",
        "https://user@replicate.delivery/a",  # user information
        "https://replicate.delivery:443@evil.example/a",
        "https://evil.example\\@replicate.delivery/a",
        "https://replicate.delivery\\.evil.example/a",
        "https://replicate.delivery.evil.example/a",
        "https://evilreplicate.delivery/a",
        "https://sub.replicate.delivery/a",
        "https://fal.media/a",  # `*.` needs a label
        "https://replicate.delivery./a",
        "https://replicate%2edelivery/a",
        "https://replicate。delivery/a",
        "https://r\u0435plicate.delivery/a",  # a Cyrillic letter
        "https://replicate.delivery/a b",
        "https://replicate.delivery/a\r\nHost: evil",
        "https://replicate.delivery/\x00",
        "//replicate.delivery/a",
        "ftp://replicate.delivery/a",
        "file:///etc/passwd",
        "https://",
        "https:///a",
        "https://[::1]:443/a",
        "https://[fe80::1%25eth0]/a",
        "https://127.0.0.1/a",
        "http://127.0.0.1:8082/a",
        "http://10.0.0.1:65536/a",
        "http://x[::1]:9/a",
        "https://replicate.delivery:/a",
        "http://127.0.0.1:8081@evil.example/a",
        "https://replicate.delivery/" + "a" * 9000,
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    assert HOSTS.read(url) is None


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",  # 127.0.0.1 as a decimal number
        "0x7f000001",
        "017700000001",  # octal
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
        "127.0.0.1",
        "localhost",
        "169.254.169.254",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
    ],
)
def test_a_number_is_no_host_name_even_if_it_is_listed(host: str) -> None:
    assert Hosts([host, host.strip("[]")]).read(f"https://{host}/latest/meta-data") is None


def test_a_host_of_the_local_stack_may_use_http_and_any_listed_port() -> None:
    assert HOSTS.read("http://127.0.0.1:8081/a") == Address("http", "127.0.0.1", 8081, "/a", True)
    assert HOSTS.read("http://[::1]:9/a") == Address("http", "::1", 9, "/a", True)
    assert HOSTS.read("https://10.0.0.1:99/a") == Address("https", "10.0.0.1", 99, "/a", True)


@pytest.mark.parametrize("name", sorted(registry.NAMES))
def test_the_hosts_of_adapters_are_well_formed(name: str) -> None:
    adapter = registry.adapter(name)
    assert adapter is not None
    for pattern in adapter.output_hosts:
        assert PATTERN.fullmatch(pattern), pattern
        assert Hosts([pattern]).read(f"https://{pattern.replace('*', 'a')}/x")
