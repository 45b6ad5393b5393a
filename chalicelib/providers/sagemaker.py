"""SageMaker asynchronous inference, through SNS:
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html

SNS invokes `callback` directly, and IAM controls this access. There is no verifier, so Herald
accepts nothing over HTTP. The caller's `InferenceId` is Herald's generation id. An output is an
object in the integrator's bucket; its URL works in a browser only if the bucket allows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.report import ErrorCode, Failure, Output, Report, State, result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.delivery import Delivery

_FAILURES = {"Failed": ErrorCode.FAILED, "Expired": ErrorCode.EXPIRED}


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read SNS's event for Lambda, or a single message from SageMaker."""
    records = fields.items(body.get("Records"))
    messages = [fields.parsed(fields.at(record, "Sns.Message")) for record in records]
    return [report for message in messages or [body] for report in _report(message)]


def _report(message: Mapping[str, object]) -> list[Report]:
    status = str(message.get("invocationStatus"))
    own = fields.text(message.get("inferenceId"), 200)
    if status == "Completed":
        return [result(own, _output(message), generation_id=own)]
    if status not in _FAILURES:
        return []
    reason = fields.text(message.get("failureReason"))
    return [Report(State.FAILED, own, own, failure=Failure(_FAILURES[status], reason))]


def _output(message: Mapping[str, object]) -> tuple[Output, ...]:
    answer = fields.record(message.get("responseParameters"))
    scheme, _, place = (fields.text(answer.get("outputLocation")) or "").partition("://")
    bucket, _, key = place.partition("/")
    region = fields.text(message.get("awsRegion"), 40)
    if scheme != "s3" or not bucket or not key or not region:
        return ()
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    address = f"https://s3.{region}.{domain}/{bucket}/{quote(key, errors='replace')}"
    return fields.output(address, content_type=answer.get("contentType"))


ADAPTER = Adapter(interpret, verifiers=())
