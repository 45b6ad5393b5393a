"""The secret with the providers' keys: its entries, and the keys that each provider needs."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.errors import SettingError
from chalicelib.providers import configuration, registry
from chalicelib.providers.polling import is_key
from chalicelib.providers.verifiers import capability
from cli import secret_values
from cli.console import CommandError
from cli.secret_values import has_value

if TYPE_CHECKING:
    from chalicelib.providers.configuration import Configured
    from cli.target import Target

MAX_BYTES = 65_536  # of a secret in Secrets Manager
SHORTEST_SECRET = 16  # characters


class Need(NamedTuple):
    """The key that a provider's adapter needs.

    `kind` is `standard` (whsec_…), `secret` (any text), `capability` (a key that Herald
    generates), `account` (the id of our account), `api` (only the key of its API, because it sends
    no webhooks) or `iam` (none). `source` says where the operator finds the key.
    """

    kind: str
    source: str
    or_capability: bool = False


_GENERATED = "Herald generates the key."
NEEDS = {
    "bfl": Need("capability", _GENERATED),
    "comfydeploy": Need("capability", _GENERATED),
    "fal": Need("account", "Your user id at fal: see your account's settings."),
    "gemini": Need("standard", "The signing secret that the API shows once: WebhookService."),
    "generations": Need("standard", "Your own generator signs with it: use --generate."),
    "hmac": Need("secret", "The signing secret of the service's webhooks."),
    "ideogram": Need("account", "Your user id at Ideogram: see your account's settings."),
    "kling": Need("standard", "The signing secret in Kling's console.", or_capability=True),
    "leonardo": Need("secret", "The callback key that you chose when you created the API key."),
    "luma": Need("capability", _GENERATED),
    "openai": Need("standard", "The signing secret of the webhook endpoint in your project."),
    "replicate": Need(
        "standard",
        "GET https://api.replicate.com/v1/webhooks/default/secret, with your API token.",
    ),
    "runpod": Need("capability", _GENERATED),
    "runway": Need("api", "Your API key at Runway."),
    "sagemaker": Need("iam", "SNS invokes callback: set sagemaker_topic_arns in the tfvars."),
    "stability": Need("api", "Your API key at Stability AI."),
    "wavespeed": Need("secret", "The webhook secret in WaveSpeed's settings.", or_capability=True),
}


class ProviderKeys:
    """The entries of a deployment's providers' secret, read once and written back."""

    def __init__(self, herald: Target) -> None:
        self._client = herald.client("secretsmanager")
        self._id = herald.secret_id("providers")
        self._version, text = self._read()
        try:
            configuration.read(text)
            self.entries: dict[str, Any] = configuration.entries(text)
        except SettingError as exc:
            raise CommandError(f"The value of the secret {self._id} is malformed: {exc}.") from exc

    def find(self, name: str) -> Configured | None:
        """Return a configured provider."""
        entry = self.entries.get(name)
        return None if entry is None else configuration.configured(name, entry)

    def configured(self, name: str) -> Configured:
        """Return a provider; raises CommandError if it is not configured."""
        found = self.find(name)
        if found is None:
            raise CommandError(
                f"{name} is not configured: run `./herald provider set {name}`. `./herald provider"
                " list` shows the providers."
            )
        return found

    def write(self) -> None:
        """Store the entries.

        Raises
        ------
        CommandError
            The value is too large, or somebody else has changed it since it was read.
        """
        text = json.dumps(self.entries, indent=1)
        if len(text.encode()) > MAX_BYTES:
            raise CommandError(f"The secret would be larger than {MAX_BYTES} bytes.")
        if self._read()[0] != self._version:
            raise CommandError(
                "The providers' secret was changed at the same time. Run the command again."
            )
        answer = self._client.put_secret_value(SecretId=self._id, SecretString=text)
        self._version = answer["VersionId"]

    def _read(self) -> tuple[str | None, str]:
        try:
            if not has_value(self._client, self._id):
                return None, ""
        except self._client.exceptions.ResourceNotFoundException as exc:
            raise CommandError(
                f"There is no secret {self._id}: deploy this version of Herald first."
            ) from exc
        answer = self._client.get_secret_value(SecretId=self._id)
        return answer["VersionId"], str(answer["SecretString"]).strip()


def check_own_secret_is_used(herald: Target) -> None:
    """Raise CommandError if the webhook secret is no longer used, because the providers' secret has
    an entry for Herald's own payload.
    """
    if _own(herald) is not None:
        raise CommandError(
            "Herald no longer uses the webhook secret: use `./herald provider rotate generations`."
        )


def own_secrets(herald: Target) -> list[str]:
    """Return the active signing secrets of Herald's own payload, newest first."""
    found = _own(herald)
    return list(found.keys.secrets) if found else herald.secret("webhook").split()


def _own(herald: Target) -> Configured | None:
    """Return the entry for Herald's own payload. A stage of an older version has no such secret."""
    client, secret_id = herald.client("secretsmanager"), herald.secret_id("providers")
    try:
        unset = not has_value(client, secret_id)
    except client.exceptions.ResourceNotFoundException:
        return None
    return None if unset else ProviderKeys(herald).find("generations")


def need(name: str, adapter: str | None = None) -> Need:
    """Return the key that a provider needs; raises CommandError for an unknown provider."""
    if adapter is None and name not in NEEDS:
        raise CommandError(
            f"Herald has no adapter for {name}. Known providers: {', '.join(sorted(NEEDS))}. For a"
            " service that signs with HMAC, use --adapter hmac."
        )
    if adapter is not None and adapter not in NEEDS:
        raise CommandError(f"There is no adapter {adapter}: use one of {', '.join(sorted(NEEDS))}.")
    if configuration.NAME.fullmatch(name) is None:
        raise CommandError(f"{name!r} is not a name: use a-z, 0-9 and -, 40 characters at most.")
    return NEEDS[adapter or name]


def generated(kind: str) -> str:
    """Return a new random key of a kind."""
    if kind == "standard":
        return secret_values.generated("webhook")
    return secrets.token_urlsafe(32)


def checked(kind: str, value: str) -> str:
    """Check a signing secret; raises CommandError, which never quotes the value."""
    value = value.strip()
    if kind == "standard":
        return secret_values.checked("webhook", value)
    if len(value) < SHORTEST_SECRET or len(value.split()) != 1 or not value.isprintable():
        raise CommandError(
            f"A signing secret has at least {SHORTEST_SECRET} printable characters, without spaces."
        )
    return value


def checked_api_key(name: str, adapter: str | None, value: str) -> str:
    """Check the key of a provider's API.

    Raises
    ------
    CommandError
        Herald cannot ask this provider, or the key is malformed. The message never quotes it.
    """
    found = registry.adapter(adapter or name)
    if found is None or found.polling is None:
        raise CommandError(f"Herald does not ask the API of {name}: its results come by webhook.")
    value = value.strip()
    if not is_key(value):
        raise CommandError("An API key is one word of printable ASCII characters.")
    return value


def check_configured(name: str, entry: dict[str, Any]) -> None:
    """Raise CommandError unless an entry makes its adapter accept webhooks, or ask the API of a
    provider without webhooks.
    """
    found = configuration.configured(name, entry)
    adapter = registry.adapter(found.adapter)
    polled = bool(adapter and not adapter.verifiers and adapter.polling and found.keys.api_key)
    if adapter is None or not (polled or adapter.is_configured(found.keys)):
        wanted = NEEDS[entry.get("adapter") or name]
        raise CommandError(f"{name} lacks its key ({wanted.kind}). {wanted.source}")


class Address(NamedTuple):
    """The callback address of one generation; `token` is its capability, if it has one."""

    url: str
    token: str | None


def address(herald: Target, keys: ProviderKeys, name: str, generation: str) -> Address:
    """Return the address that a provider calls for one generation."""
    found = keys.find(name)
    base = herald.output("callbacks_url")
    if found is None and name == "generations":
        return Address(f"{base}/{name}", None)
    found = keys.configured(name)
    if found.adapter in ("generations", "leonardo"):  # the body names the generation
        return Address(f"{base}/{name}", None)
    url = f"{base}/{name}/{generation}"
    wanted = NEEDS[found.adapter]
    if wanted.kind != "capability" and (found.keys.secrets or not wanted.or_capability):
        return Address(url, None)
    token = capability(found.keys.token_keys[0], name, generation)
    return Address(f"{url}/{token}", token)
