"""The composition root builds each function only from its own settings."""

import subprocess
import sys

import pytest

from chalicelib import settings
from chalicelib.runtime import Runtime
from tooling import ROOT

AWS = {"AWS_REGION": "eu-central-1"}
VALUES = {
    "allowed_origins": "https://app.example",
    "database_schema": "herald",
    "jwt_algorithm": "HS256",
    "management_endpoint": "https://api.execute-api.eu-central-1.amazonaws.com/test",
    "generation_deadline_seconds": "3600",
    "inbox_retention_days": "7",
    "provider_apis": "{}",
    "keepalive_ms": "510000",
    "log_sample_percent": "0",
    "max_connections_per_user": "50",
    "max_receive_count": "3",
    "outbox_retention_days": "7",
    "output_max_megabytes": "1000",
    "output_retention_days": "30",
    "posts_per_second": "1000",
}


def environ(function: str, **changes: str) -> dict[str, str]:
    """A function's environment, with its own settings only."""
    fields = settings.fields(function)
    values = {field: VALUES.get(field, "value") for field in fields} | changes
    values.pop("jwt_jwks_url", None)
    return AWS | {settings.variable(field): value for field, value in values.items()}


@pytest.fixture(autouse=True)
def _boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Lambda, boto3 finds its Region and its credentials in the environment variables."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.parametrize("function", settings.FUNCTIONS)
def test_a_function_is_built_once_from_its_own_settings(function: str) -> None:
    runtime = Runtime(environ(function))
    runtime.preload(f"app.{function}")
    assert callable(getattr(runtime, function).handle)
    assert getattr(runtime, function) is getattr(runtime, function)


def test_callback_starts_without_model_classes_and_loads_one_adapter_later() -> None:
    code = (
        "import os, sys\nfrom chalicelib.runtime import Runtime\n"
        "Runtime(os.environ).preload('app.callback')\n"
        "from chalicelib.providers import registry\n"
        "adapters = {f'chalicelib.providers.{name}' for name in registry.NAMES}\n"
        "heavy = {'boto3', 'botocore', 'cryptography', 'pydantic', 'pydantic_core'}\n"
        "print(sorted((heavy | adapters) & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.check_output(command, cwd=ROOT, env=environ("callback"), text=True)
    assert found.strip() == "[]"


@pytest.mark.parametrize("handler", ["", "app.nothing", "lambda_function.lambda_handler"])
def test_nothing_is_built_for_other_handlers(handler: str) -> None:
    Runtime({}).preload(handler)


def test_origins_are_separated_by_commas_with_spaces_around_them() -> None:
    origins = "https://App.Example:443, https://beta.example,"
    authorizer = Runtime(environ("authorize", allowed_origins=origins)).authorize
    denied = authorizer.handle({"methodArn": "arn", "headers": {"Origin": "https://evil.example"}})
    assert denied["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    for origin in ("https://app.example", "https://beta.example"):
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            authorizer.handle({"methodArn": "arn", "headers": {"Origin": origin}})
