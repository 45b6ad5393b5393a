"""Lambda functions, invoked through the engine.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from chalicelib.aws.service import service_url
from chalicelib.engine.engine import Endpoint, Engine, Request
from chalicelib.engine.sigv4 import quote
from chalicelib.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.engine.engine import Response

EVENT_SECONDS = 2.0  # until Lambda has queued an event
ANSWER_SECONDS = 12.0  # for the whole function, with its start


class Function:
    """One function of the process's account and Region, by its name."""

    def __init__(self, engine: Engine, environ: Mapping[str, str], name: str) -> None:
        self._engine = engine
        self._path = f"/2015-03-31/functions/{quote(name)}/invocations"
        self._endpoint = Endpoint(
            service_url("lambda", "LAMBDA", environ),
            "lambda",
            environ["AWS_REGION"],
            timeout=ANSWER_SECONDS,
        )

    def send(self, payload: bytes) -> None:
        """Queue an event; the function runs later. Raises ServiceError."""
        answer = self._invoke(payload, "Event", EVENT_SECONDS)
        if answer.status != 202:
            raise _error(answer)

    def call(self, payload: bytes) -> Mapping[str, Any]:
        """Run the function and return its answer, a JSON object.

        Raises
        ------
        ServiceError
            Lambda did not run the function, or the function failed.
        """
        answer = self._invoke(payload, "RequestResponse", ANSWER_SECONDS)
        if answer.status != 200:
            raise _error(answer)
        try:
            found = json.loads(answer.body)
        except ValueError as exc:
            raise ServiceError("lambda", 200, "the answer is not JSON") from exc
        if not isinstance(found, dict) or "errorMessage" in found:
            raise ServiceError("lambda", 200, "the function failed")
        return found

    def _invoke(self, payload: bytes, kind: str, seconds: float) -> Response:
        headers = (("content-type", "application/json"), ("x-amz-invocation-type", kind))
        request = Request(
            self._endpoint, "POST", self._path, payload, headers, attempts=2, idempotent=False
        )
        return self._engine.call_all([request], time.monotonic() + seconds)[0]


def _error(answer: Response) -> ServiceError:
    return ServiceError("lambda", answer.status, answer.reason or f"HTTP {answer.status}")
