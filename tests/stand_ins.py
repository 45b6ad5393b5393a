"""The applied stack with stand-ins of the providers' APIs."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import boto3
import psutil

from local import processes
from tests.builders import SCHEDULE
from tests.fakes.provider_apis import KEY, ProviderApis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import Stack


class AskedStack:
    """A stack whose `reconcile` asks stand-ins."""

    def __init__(self, stack: Stack, apis: ProviderApis) -> None:
        self.stack = stack
        self.apis = apis
        self.env = stack.environment()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            region_name=self.env["AWS_REGION"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )

    @property
    def function(self) -> str:
        return f"herald-{self.env['HERALD_STAGE']}-reconcile"

    def run(self, event: dict[str, Any] = SCHEDULE) -> dict[str, Any]:
        """Invoke `reconcile`, and return its answer."""
        answer = self.client("lambda").invoke(
            FunctionName=self.function, Payload=json.dumps(event).encode()
        )
        found = json.loads(answer["Payload"].read() or b"null")
        assert "FunctionError" not in answer, found
        assert isinstance(found, dict), found
        return found

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Let `reconcile` ask the stand-ins, for the duration of the block."""
        functions, secrets = self.client("lambda"), self.client("secretsmanager")
        own = functions.get_function_configuration(FunctionName=self.function)["Environment"]
        variables = own["Variables"]
        secret = variables["HERALD_PROVIDERS_SECRET_ARN"]
        kept = secrets.get_secret_value(SecretId=secret)["SecretString"]
        entries = json.loads(kept)
        for name in self.apis.addresses:
            entries[name] = {**entries.get(name, {}), "api_key": KEY}
        secrets.put_secret_value(SecretId=secret, SecretString=json.dumps(entries))
        self._configure({**variables, "HERALD_PROVIDER_APIS": json.dumps(self.apis.addresses)})
        try:
            yield
        finally:
            secrets.put_secret_value(SecretId=secret, SecretString=kept)
            self._configure(variables)

    def _configure(self, variables: dict[str, str]) -> None:
        self.client("lambda").update_function_configuration(
            FunctionName=self.function, Environment={"Variables": variables}
        )
        for process in processes.owned(self.stack.directory):  # they have the old settings
            with contextlib.suppress(psutil.Error):
                if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == self.function:
                    process.kill()


@contextlib.contextmanager
def asked(stack: Stack) -> Iterator[AskedStack]:
    """Serve the stand-ins and let the stack ask them."""
    apis = ProviderApis()
    try:
        found = AskedStack(stack, apis)
        with found.asking():
            yield found
    finally:
        apis.stop()
