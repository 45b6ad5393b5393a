"""The `keep` function. It copies the outputs of finished generations into the bucket.

It is the topic's second subscriber, so nothing that happens here delays an event. A generation
whose outputs cannot be copied is tried again after growing pauses, and then becomes a dead letter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import metrics, telemetry
from chalicelib.aws.invocation import deadline_of
from chalicelib.errors import CopyFailed, InvalidEvent, ServiceError, SettingError
from chalicelib.outputs.copying import Owner
from chalicelib.protocol import events

if TYPE_CHECKING:
    from chalicelib.aws.lambda_events import LambdaContext, SqsEvent, SqsRecord, SqsResponse
    from chalicelib.aws.service import Service
    from chalicelib.outputs.copying import Copier
    from chalicelib.protocol.events import Event
    from chalicelib.store.output_hosts import OutputHosts
    from chalicelib.store.outputs import Kept, Outputs

PAUSES = (15, 60, 240)  # seconds before the second, third and fourth attempt; then the last one


class Keep:
    """Copies outputs.

    Parameters
    ----------
    queue_url
        The queue of the messages, to set the pause before the next attempt.
    max_receive_count
        The number of attempts before SQS moves a message to the dead-letter queue.
    """

    def __init__(
        self,
        outputs: Outputs,
        copier: Copier,
        hosts: OutputHosts,
        sqs: Service,
        queue_url: str,
        stage: str,
        max_receive_count: int,
    ) -> None:
        self._outputs = outputs
        self._copier = copier
        self._hosts = hosts
        self._sqs = sqs
        self._queue_url = queue_url
        self._stage = stage
        self._max_receive_count = max_receive_count

    def handle(self, event: SqsEvent, context: LambdaContext) -> SqsResponse:
        """Copy the outputs of each message's generation; report the messages that failed."""
        deadline = deadline_of(context)
        failed = [
            record["messageId"]
            for record in event["Records"]
            if not self._keep(record, deadline=deadline)
        ]
        return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}

    def _keep(self, record: SqsRecord, *, deadline: float) -> bool:
        """Copy the outputs of one message; return whether all are copied."""
        try:
            event = events.parse(record["body"], stage=self._stage)
        except InvalidEvent as exc:
            telemetry.error("message is not an event", error=str(exc))
            return False
        if event.offset is None:  # a notice or progress: no result
            return True
        try:
            kept = self._outputs.read(event.generation_id)
            failures = self._copy_all(event, kept, deadline) if kept else []
        except (ServiceError, SettingError) as exc:
            telemetry.error("outputs not read", generation_id=event.generation_id, error=str(exc))
            failures = [exc]
        if failures:
            self._failed(record, event, failures)
        return not failures

    def _copy_all(
        self, event: Event, kept: Kept, deadline: float
    ) -> list[CopyFailed | ServiceError | SettingError]:
        failures: list[CopyFailed | ServiceError | SettingError] = []
        hosts, copied, size = self._hosts.of(kept.provider), 0, 0
        for number in kept.missing:
            owner = Owner(event.user_id, event.generation_id, number)
            try:
                copy = self._copier.copy(owner, kept, hosts, deadline=deadline)
            except (CopyFailed, ServiceError) as exc:
                failures.append(exc)
                telemetry.warning(
                    "output not copied",
                    generation_id=event.generation_id,
                    output=number,
                    provider=kept.provider,
                    error=str(exc),
                )
            else:
                copied, size = copied + 1, size + copy.bytes
        counts = {metrics.OUTPUTS_KEPT: copied, metrics.COPIES_FAILED: len(failures)}
        telemetry.emit({metric: count for metric, count in counts.items() if count})
        if telemetry.detailed(event.generation_id):
            telemetry.debug("outputs copied", generation_id=event.generation_id, bytes=size)
        return failures

    def _failed(
        self,
        record: SqsRecord,
        event: Event,
        failures: list[CopyFailed | ServiceError | SettingError],
    ) -> None:
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        last = receives >= self._max_receive_count
        if last:
            telemetry.emit({metrics.OUTPUTS_NOT_KEPT: len(failures)})
            telemetry.error(
                "outputs not kept",
                generation_id=event.generation_id,
                errors=[str(failure) for failure in failures],
            )
        self._pause(record, 0 if last else _pause(failures, receives))

    def _pause(self, record: SqsRecord, seconds: int) -> None:
        """Set when the message is received again; otherwise, that takes the visibility timeout."""
        payload = {
            "QueueUrl": self._queue_url,
            "ReceiptHandle": record.get("receiptHandle", ""),
            "VisibilityTimeout": seconds,
        }
        try:
            self._sqs.call("ChangeMessageVisibility", payload)
        except ServiceError as exc:
            telemetry.warning("pause not set", error=str(exc))


def _pause(failures: list[CopyFailed | ServiceError | SettingError], receives: int) -> int:
    """Return the seconds until the next attempt: none if waiting does not help."""
    waits = [
        failure
        for failure in failures
        if not (isinstance(failure, CopyFailed) and (failure.permanent or failure.in_progress))
    ]
    return PAUSES[min(receives, len(PAUSES)) - 1] if waits else 0
