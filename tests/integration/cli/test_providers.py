"""The commands for providers on moto, and how `callback` reads the secret that they store."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from chalicelib.providers import configuration, registry
from chalicelib.providers.delivery import Keys
from chalicelib.providers.verifiers import capability
from cli.provider_keys import NEEDS
from tests.command_line import herald

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typer.testing import Result

    from chalicelib.providers.configuration import Configured

pytestmark = pytest.mark.integration

GENERATION = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"
WHSEC = "whsec_" + "QUJD" * 8
OTHER = "whsec_" + "REVG" * 8


@pytest.fixture
def manager(dynamodb: Any, moto: str) -> Iterator[Any]:
    """Secrets Manager without values; the fixture `dynamodb` resets moto."""
    client: Any = boto3.client(
        "secretsmanager",
        endpoint_url=moto,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for kind in ("providers", "webhook"):
        client.create_secret(Name=f"herald-test-{kind}")
    yield client
    client.close()


@pytest.fixture
def run(manager: Any, moto: str, tmp_path: Path) -> Callable[..., Result]:
    path = tmp_path / "stack.env"
    path.write_text(
        f"HERALD_STAGE=test\nHERALD_CALLBACKS_URL=https://h.example/callbacks\n"
        f"AWS_ENDPOINT_URL={moto}\nAWS_REGION=eu-central-1\nAWS_ACCESS_KEY_ID=test\n"
        "AWS_SECRET_ACCESS_KEY=test\n"
    )

    def run(*words: str, typed: str | None = None) -> Result:
        return herald(*words, "--stack-env", str(path), typed=typed)

    return run


def stored(manager: Any) -> dict[str, Configured]:
    value = manager.get_secret_value(SecretId="herald-test-providers")["SecretString"]
    return configuration.read(value)


def test_every_adapter_has_a_need_and_every_need_an_adapter() -> None:
    assert set(NEEDS) == registry.NAMES


def test_a_signing_secret_is_stored_and_not_shown(run: Any, manager: Any) -> None:
    result = run("provider", "set", "replicate", typed=f"{WHSEC}\n")
    assert result.exit_code == 0, result.output
    assert stored(manager)["replicate"].keys.secrets == (WHSEC,)
    assert WHSEC not in result.output
    listed = run("provider", "list")
    assert WHSEC not in listed.output
    assert re.search(r"replicate\s*│\s*yes\s*│\s*standard\s*│\s*1", listed.output)


def test_a_capability_key_is_generated_and_makes_addresses(run: Any, manager: Any) -> None:
    set_ = run("provider", "set", "runpod", "--option", "outputs=output.images", "--print")
    key = set_.stdout.strip()
    assert stored(manager)["runpod"].keys.token_keys == (key,)
    assert stored(manager)["runpod"].options == {"outputs": "output.images"}
    url = run("callback-url", "runpod", GENERATION).stdout.strip()
    token = capability(key, "runpod", GENERATION)
    assert url == f"https://h.example/callbacks/runpod/{GENERATION}/{token}"


def test_an_option_can_be_changed_without_another_key(run: Any, manager: Any) -> None:
    key = run("provider", "set", "runpod", "--print").stdout
    again = run("provider", "set", "runpod", "--option", "outputs=output.images", "--print")
    assert again.stdout == key
    assert stored(manager)["runpod"].options == {"outputs": "output.images"}
    assert run("provider", "set", "runpod", "--generate", "--print").stdout != key


@pytest.mark.parametrize(
    ("name", "words", "typed", "path"),
    [
        ("replicate", (), WHSEC, f"replicate/{GENERATION}"),
        ("fal", ("--account", "user_1"), None, f"fal/{GENERATION}"),
        ("leonardo", ("--generate",), None, "leonardo"),
        ("kling", (), WHSEC, f"kling/{GENERATION}"),
        ("kling", ("--capability",), None, f"kling/{GENERATION}/TOKEN"),
        ("bfl", (), None, f"bfl/{GENERATION}/TOKEN"),
        ("acme", ("--adapter", "hmac"), "a-secret-of-the-service", f"acme/{GENERATION}"),
        ("generations", ("--generate",), None, "generations"),
    ],
)
def test_each_kind_of_provider_has_its_address(
    run: Any, manager: Any, name: str, words: tuple[str, ...], typed: str | None, path: str
) -> None:
    assert run("provider", "set", name, *words, typed=typed).exit_code == 0
    found = json.loads(run("callback-url", name, GENERATION, "--json").stdout)
    wanted = path.replace("TOKEN", found["token"] or "")
    assert found["url"] == f"https://h.example/callbacks/{wanted}"
    assert found["webhookSecret"] == (found["token"] if name == "bfl" else None)


def test_rotation_keeps_the_current_key_until_it_is_retired(run: Any, manager: Any) -> None:
    run("provider", "set", "replicate", typed=WHSEC)
    assert run("provider", "rotate", "replicate", typed=OTHER).exit_code == 0
    assert stored(manager)["replicate"].keys.secrets == (OTHER, WHSEC)
    again = run("provider", "rotate", "replicate", typed=OTHER)
    assert (again.exit_code, "already valid" in again.stderr) == (2, True)
    assert run("provider", "retire", "replicate").exit_code == 0
    assert stored(manager)["replicate"].keys.secrets == (OTHER,)
    nothing = run("provider", "retire", "replicate")
    assert (nothing.exit_code, "nothing to retire" in nothing.stderr) == (2, True)


def test_a_rotated_capability_key_keeps_old_addresses_valid(run: Any, manager: Any) -> None:
    first = run("provider", "set", "luma", "--print").stdout.strip()
    second = run("provider", "rotate", "luma", "--print").stdout.strip()
    assert stored(manager)["luma"].keys.token_keys == (second, first)
    url = run("callback-url", "luma", GENERATION).stdout.strip()
    assert url.endswith(capability(second, "luma", GENERATION))


def test_a_removed_provider_is_unknown(run: Any, manager: Any) -> None:
    run("provider", "set", "luma")
    unasked = run("provider", "remove", "luma")
    assert (unasked.exit_code, "--yes" in unasked.stderr) == (2, True)
    assert run("provider", "remove", "luma", "--yes").exit_code == 0
    assert stored(manager) == {}
    result = run("callback-url", "luma", GENERATION)
    assert (result.exit_code, "not configured" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (("replicate",), "whsec_short", "not base64"),
        (("replicate",), "", "empty"),
        (("replicate", "--account", "x"), WHSEC, "does not use this option"),
        (("replicate", "--capability"), WHSEC, "cannot use a token"),
        (("fal",), None, "user id at fal"),
        (("leonardo",), "short", "at least 16"),
        (("acme",), "a-secret-of-the-service", "no adapter for acme"),
        (("acme", "--adapter", "nothing"), "a-secret-of-the-service", "no adapter nothing"),
        (("ACME", "--adapter", "hmac"), "a-secret-of-the-service", "is not a name"),
        (("sagemaker",), None, "sagemaker_topic_arns"),
        (("runpod", "--option", "outputs"), None, "NAME=VALUE"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_stored(
    run: Any, manager: Any, words: tuple[str, ...], typed: str | None, said: str
) -> None:
    result = run("provider", "set", *words, typed=typed)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert typed is None or typed == "" or typed not in result.output
    with pytest.raises(manager.exceptions.ResourceNotFoundException):
        stored(manager)


def test_own_secrets_move_and_the_old_command_says_so(run: Any, manager: Any) -> None:
    assert run("secret", "set", "webhook", "--generate").exit_code == 0
    assert run("provider", "set", "generations", "--generate").exit_code == 0
    result = run("secret", "set", "webhook", "--generate")
    assert (result.exit_code, "provider rotate generations" in result.stderr) == (2, True)


def test_a_malformed_secret_is_reported_and_left_alone(run: Any, manager: Any) -> None:
    manager.put_secret_value(
        SecretId="herald-test-providers", SecretString='{"fal": {"account": 7}}'
    )
    result = run("provider", "set", "replicate", typed=WHSEC)
    assert (result.exit_code, "fal.account" in result.stderr) == (2, True)


def test_the_list_in_json_names_all_providers(run: Any, manager: Any) -> None:
    run("provider", "set", "acme", "--adapter", "hmac", typed="a-secret-of-the-service")
    found = {row["name"]: row for row in json.loads(run("provider", "list", "--json").stdout)}
    assert set(found) == {*registry.NAMES, "acme"}
    assert found["acme"] == {
        "name": "acme",
        "adapter": "hmac",
        "configured": True,
        "proof": "secret",
        "active": 1,
        "apiKey": False,
        "options": [],
    }
    assert found["fal"]["configured"] is False


# --- keys of APIs ---


def test_a_key_of_an_api_is_kept_when_the_provider_is_set_again(run: Any, manager: Any) -> None:
    run("provider", "set", "replicate", typed=WHSEC)
    result = run("provider", "api-key", "replicate", "--json", typed="r8_key\n")
    assert (result.exit_code, json.loads(result.stdout)["apiKey"]) == (0, True)
    assert stored(manager)["replicate"].keys == Keys(secrets=(WHSEC,), api_key="r8_key")
    run("provider", "set", "replicate", typed=WHSEC)
    assert stored(manager)["replicate"].keys.api_key == "r8_key"
    assert "r8_key" not in run("provider", "list", "--json").stdout
    run("provider", "api-key", "replicate", "--remove")
    assert stored(manager)["replicate"].keys == Keys(secrets=(WHSEC,))


def test_a_provider_without_webhooks_needs_only_the_key_of_its_api(run: Any, manager: Any) -> None:
    assert run("provider", "set", "runway", typed="key_0123456789abcdef").exit_code == 0
    assert stored(manager)["runway"].keys == Keys(api_key="key_0123456789abcdef")
    assert run("provider", "set", "stability", "--generate").exit_code == 2


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("replicate", "two words", "one word"),
        ("replicate", "", "one word"),
        ("wavespeed", "a-key", "does not ask the API of wavespeed"),
        ("nobody", "a-key", "does not ask"),
    ],
)
def test_a_wrong_key_of_an_api_is_refused(
    run: Any, manager: Any, name: str, typed: str, said: str
) -> None:
    run("provider", "set", "luma")
    before = stored(manager)
    result = run("provider", "api-key", name, typed=typed)
    assert (result.exit_code, said in " ".join(result.stderr.split())) == (2, True), result.stderr
    assert "a-key" not in result.stderr
    assert stored(manager) == before
