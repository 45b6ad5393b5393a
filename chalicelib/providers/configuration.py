"""The secret `herald-<stage>-providers`: the keys and options of all configured providers.

The secret is a JSON object. Each member is a provider; its name is the one in the callback path:

    {"replicate": {"secrets": ["whsec_…"]},
     "fal": {"account": "our fal user id"},
     "runpod": {"token_keys": ["…"], "options": {"outputs": "output.images"}},
     "acme": {"adapter": "hmac", "secrets": ["…"], "options": {"header": "X-Acme-Signature"}}}

- `adapter` is the adapter's name, by default the provider's name.
- `secrets` are signing secrets or bearer tokens; `token_keys` are keys of capabilities. The newest
  is first. While one is being rotated there are two.
- `api_key` is our key for the provider's API, with which Herald asks for results and cancels.
- `account` is our account at a provider that signs for all customers with the same keys.
- `jwks` replaces the keys that such a provider publishes, for functions without internet access.
- `options` are the adapter's options.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import SettingError
from chalicelib.providers import fields
from chalicelib.providers.delivery import Keys

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_KINDS: dict[str, type] = {
    "adapter": str,
    "secrets": list,
    "token_keys": list,
    "account": str,
    "api_key": str,
    "jwks": dict,
    "options": dict,
}


class Configured(NamedTuple):
    """A configured provider: the name of its adapter, its keys and its options."""

    adapter: str
    keys: Keys
    options: Mapping[str, object]


def read(text: str) -> dict[str, Configured]:
    """Return all providers in the secret's value; an empty value has none.

    Raises
    ------
    SettingError
        The value is malformed. The message names the field but never quotes a value.
    """
    return {name: configured(name, entry) for name, entry in entries(text).items()}


def entries(text: str) -> dict[str, object]:
    """Return the entries of the secret's value, by provider, without checking them.

    Raises
    ------
    SettingError
        The value is not a JSON object.
    """
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise SettingError("the providers' secret is not JSON") from exc
    if not isinstance(found, dict):
        raise SettingError("the providers' secret is not a JSON object")
    return found


def configured(name: str, entry: object) -> Configured:
    """Read one entry; raises SettingError as `read` does."""
    if NAME.fullmatch(name) is None:
        raise SettingError("a provider's name has other characters than a-z, 0-9 and -")
    if not isinstance(entry, dict):
        raise SettingError(f"{name} is not a JSON object")
    for field, value in entry.items():
        if field in _KINDS and not _is_valid(value, _KINDS[field]):
            raise SettingError(f"{name}.{field} is malformed")
    keys = Keys(
        tuple(entry.get("secrets", ())),
        tuple(entry.get("token_keys", ())),
        entry.get("account") or None,
        entry.get("jwks"),
        entry.get("api_key") or None,
    )
    return Configured(entry.get("adapter") or name, keys, fields.record(entry.get("options")))


def _is_valid(value: object, kind: type) -> bool:
    """Whether a field has its type; the items of a list are non-empty texts."""
    if isinstance(value, list):
        return kind is list and all(isinstance(item, str) and item for item in value)
    return isinstance(value, kind)
