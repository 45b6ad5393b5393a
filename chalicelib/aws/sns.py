"""SNS through the engine. The Query protocol sends form fields and returns XML.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html and API_PublishBatch.html
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import telemetry
from chalicelib.aws.service import service_url
from chalicelib.engine.engine import Endpoint, Engine, Request, Response
from chalicelib.engine.sigv4 import quote
from chalicelib.errors import ServiceError
from chalicelib.retry import TRIES, retry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

VERSION = "2010-03-31"

_FORM = (("content-type", "application/x-www-form-urlencoded; charset=utf-8"),)
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
# Errors caused by the message itself: the same request can never succeed.
# https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html#API_PublishBatch_Errors
_REFUSED = {
    "BatchRequestTooLong",
    "BatchRequestTooLongException",
    "InvalidParameter",
    "InvalidParameterException",
    "InvalidParameterValue",
    "ParameterValueInvalid",
    "ValidationException",
}


class Entry(NamedTuple):
    """One message of a batch; its id is unique within the batch."""

    id: str
    message: str
    attributes: Mapping[str, str]


class BatchResult(NamedTuple):
    """The ids of accepted messages, and the error code for each id that SNS refused."""

    accepted: list[str]
    refused: dict[str, str]


class Sns:
    """The SNS service of the process's Region. `sleep` waits between attempts; it takes seconds."""

    def __init__(
        self,
        engine: Engine,
        environ: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._sleep = sleep
        self._endpoint = Endpoint(service_url("sns", "SNS", environ), "sns", environ["AWS_REGION"])

    def publish(
        self,
        topic_arn: str,
        message: str,
        *,
        deadline: float,
        attributes: Mapping[str, str] | None = None,
        subject: str | None = None,
        tries: int = TRIES,
    ) -> None:
        """Publish one message.

        Parameters
        ----------
        deadline
            On the clock of time.monotonic().
        tries
            The maximum number of attempts. A message whose response was lost is published again.

        Raises
        ------
        ServiceError
            Every attempt failed, or SNS refused the message itself.
        """
        form = f"{_topic(topic_arn)}&Message={quote(message)}"
        if attributes:
            form += _attributes("", tuple(attributes.items()))
        if subject is not None:
            form += f"&Subject={quote(subject)}"
        self._call("Publish", form, deadline, tries)

    def publish_batch(
        self, topic_arn: str, entries: Sequence[Entry], *, deadline: float
    ) -> BatchResult:
        """Publish up to ten messages, 256 KiB in total; raises the same errors as `publish`."""
        form = _topic(topic_arn)
        for number, entry in enumerate(entries, 1):
            member = f"PublishBatchRequestEntries.member.{number}."
            form += f"&{member}Id={quote(entry.id)}&{member}Message={quote(entry.message)}"
            form += _attributes(member, tuple(entry.attributes.items()))
        return _batch_result(self._call("PublishBatch", form, deadline, TRIES))

    def _call(self, action: str, form: str, deadline: float, tries: int) -> bytes:
        body = f"Action={action}&Version={VERSION}&{form}".encode()

        def attempt() -> Response:
            request = Request(self._endpoint, "POST", "/", body, _FORM, attempts=1)
            [result] = self._engine.call_all([request], deadline)
            if result.status == 200 or _error_code(result) in _REFUSED:
                return result
            raise ServiceError("sns", result.status, _error_code(result))

        result = retry(
            attempt,
            on=ServiceError,
            deadline=deadline,
            tries=tries,
            failed=lambda number, exc: telemetry.warning(
                "publish failed", tries=number, error=str(exc)
            ),
            sleep=self._sleep,
        )
        if result.status != 200:
            raise ServiceError("sns", result.status, _error_code(result), blames_request=True)
        return result.body


# Both repeat with every event, so they are encoded once.
@lru_cache
def _topic(arn: str) -> str:
    return f"TopicArn={quote(arn)}"


@lru_cache
def _attributes(prefix: str, attributes: tuple[tuple[str, str], ...]) -> str:
    form = ""
    for number, (name, value) in enumerate(attributes, 1):
        entry = f"&{prefix}MessageAttributes.entry.{number}."
        form += f"{entry}Name={quote(name)}{entry}Value.DataType=String"
        form += f"{entry}Value.StringValue={quote(value)}"
    return form


def _batch_result(answer: bytes) -> BatchResult:
    from xml.etree import ElementTree  # only batches are read: `callback` must start quickly

    root = ElementTree.fromstring(answer)  # noqa: S314 - from SNS, over TLS
    accepted = [
        found.findtext("{*}Id", "") for found in root.iterfind(".//{*}Successful/{*}member")
    ]
    refused = root.iterfind(".//{*}Failed/{*}member")
    return BatchResult(
        accepted,
        {found.findtext("{*}Id", ""): found.findtext("{*}Code", "") for found in refused},
    )


def _error_code(result: Response) -> str:
    if not result.status:
        return result.reason
    found = _CODE.search(result.body)
    return found[1].decode(errors="replace") if found else result.reason or f"HTTP {result.status}"
