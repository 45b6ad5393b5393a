"""A lean stage has one secret: the commands write its values, and the functions read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.aws.secrets import Secrets
from chalicelib.aws.service import SECRETS_MANAGER, Service
from chalicelib.engine.engine import Engine
from chalicelib.errors import ServiceError
from cli.secret_values import has_value
from cli.shared_secret import SharedSecrets

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration


@pytest.fixture
def secret(dynamodb: Any) -> Iterator[tuple[SharedSecrets, str]]:
    """The commands' client, and the ARN of an empty secret on moto."""
    client = boto3.client("secretsmanager")
    yield SharedSecrets(client), client.create_secret(Name="herald-test-all")["ARN"]
    client.close()


@pytest.fixture
def functions(dynamodb: Any, environment: dict[str, str]) -> Iterator[Secrets]:
    engine = Engine()
    yield Secrets(Service(engine, SECRETS_MANAGER, environment))
    engine.close()


def test_each_value_is_written_and_read_by_its_name(
    secret: tuple[SharedSecrets, str], functions: Secrets
) -> None:
    client, arn = secret
    assert not has_value(client, f"{arn}#jwt")
    client.put_secret_value(SecretId=f"{arn}#jwt", SecretString="j" * 32)
    client.put_secret_value(SecretId=f"{arn}#providers", SecretString='{"fal": {}}')
    client.put_secret_value(SecretId=f"{arn}#jwt", SecretString="k" * 32)
    assert has_value(client, f"{arn}#jwt")
    assert not has_value(client, f"{arn}#database")
    assert client.get_secret_value(SecretId=f"{arn}#jwt")["SecretString"] == "k" * 32
    assert functions.get(f"{arn}#jwt") == "k" * 32
    assert functions.get(f"{arn}#providers") == '{"fal": {}}'


def test_a_value_that_was_never_set_is_missing_like_a_secret_without_value(
    secret: tuple[SharedSecrets, str], functions: Secrets
) -> None:
    client, arn = secret
    client.put_secret_value(SecretId=f"{arn}#jwt", SecretString="j" * 32)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.get_secret_value(SecretId=f"{arn}#webhook")
    with pytest.raises(ServiceError, match="ResourceNotFoundException"):
        functions.get(f"{arn}#webhook")
    assert functions.get(f"{arn}#webhook", "none") == "none"


def test_a_secret_of_its_own_is_used_as_before(
    secret: tuple[SharedSecrets, str], functions: Secrets
) -> None:
    client, arn = secret
    client.put_secret_value(SecretId=arn, SecretString="a value")
    assert client.get_secret_value(SecretId=arn)["SecretString"] == functions.get(arn) == "a value"
    assert has_value(client, arn)
