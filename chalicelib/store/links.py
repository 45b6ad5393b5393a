"""The stable links of outputs: how they are signed and checked, and the secret with their keys.

A link is `<base>/<generation>/<index>/<signature>`. The signature is the first half of
HMAC-SHA256(key, "outputs/<generation>/<index>"), so nobody can guess a link. The secret
`herald-<stage>-outputs` is a JSON object:

    {"keys": ["…"], "hosts": {"acme": ["cdn.acme.example"]}}

- `keys` are the keys of signatures. The first signs, and all are accepted, so a key can be rotated.
- `hosts` are further hosts that a provider's outputs may be copied from (providers/hosts.py).
"""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIGNATURE_BYTES = 16
SHORTEST_KEY = 32  # characters


class Configured(NamedTuple):
    """The value of the secret."""

    keys: tuple[str, ...]
    hosts: Mapping[str, tuple[str, ...]]


def read(text: str) -> Configured:
    """Read the secret's value.

    Raises
    ------
    SettingError
        The value is empty or malformed. The message never quotes it.
    """
    try:
        found = json.loads(text or "null")
        keys, hosts = found["keys"], found.get("hosts", {})
        if not keys or not all(len(key) >= SHORTEST_KEY for key in keys):
            raise SettingError("the outputs secret has no key, or a short one")
        return Configured(
            tuple(str(key) for key in keys),
            {str(name): tuple(str(host) for host in listed) for name, listed in hosts.items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise SettingError("the outputs secret is empty or malformed") from exc


def sign(key: str, generation_id: str, index: int) -> str:
    """Return the signature of a link: 22 characters of base64url."""
    digest = hmac.digest(key.encode(), f"outputs/{generation_id}/{index}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:SIGNATURE_BYTES]).decode().rstrip("=")


class Links:
    """Makes and checks links.

    Parameters
    ----------
    base
        The address that all links begin with, without a slash at its end.
    secret
        Returns the value of the secret; it may raise ServiceError.
    """

    def __init__(self, base: str, secret: Callable[[], str]) -> None:
        self._base = base
        self._secret = secret
        self._text = ""
        self._read = Configured((), {})

    def configured(self) -> Configured:
        """Return the secret's content; raises SettingError and ServiceError."""
        text = self._secret()
        if text != self._text or not self._read.keys:
            self._read, self._text = read(text), text
        return self._read

    def url(self, generation_id: str, index: int) -> str:
        """Return the link of one output; raises SettingError and ServiceError."""
        signature = sign(self.configured().keys[0], generation_id, index)
        return f"{self._base}/{generation_id}/{index}/{signature}"

    def made(self, url: str) -> bool:
        """Whether an address is a link of this deployment."""
        return url.startswith(f"{self._base}/")

    def is_valid(self, generation_id: str, index: int, signature: str) -> bool:
        """Whether a link was made by this deployment; raises SettingError and ServiceError."""
        given = signature.encode()
        valid = [
            hmac.compare_digest(sign(key, generation_id, index).encode(), given)
            for key in self.configured().keys
        ]
        return any(valid)
