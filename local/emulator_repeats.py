"""Answers a request that Terraform repeats as it was answered the first time.

Terraform repeats about one in 300 of its requests, although the emulator has answered it. The AWS
SDK logs only the repetition, and no error. A repeated creation would fail, because the resource
exists. All attempts of one request have the same `amz-sdk-invocation-id`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from local.emulator_websockets import Message, Send

_MOST_ANSWERS = 1_000
_MOST_BYTES = 65_536  # of one answer; larger ones are of reads, which can be repeated


class Answers:
    """The latest successful answers to Terraform's requests, by invocation."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[Message]] = OrderedDict()

    def repeated(self, scope: MutableMapping[str, Any]) -> list[Message]:
        """Return the messages of the first answer to a request that is repeated, or none."""
        identity, first = _invocation(scope)
        return [] if first else self._kept.get(identity, [])

    def keeping(self, scope: MutableMapping[str, Any], send: Send) -> Send:
        """Return a `send` that keeps the answer if it is a success."""
        identity, _ = _invocation(scope)
        if not identity:
            return send
        messages: list[Message] = []

        async def sent(message: Message) -> None:
            messages.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._keep(identity, messages)
            await send(message)

        return sent

    def _keep(self, identity: str, messages: list[Message]) -> None:
        size = sum(len(message.get("body", b"")) for message in messages)
        if messages[0].get("status", 500) < 300 and size <= _MOST_BYTES:
            self._kept[identity] = messages
        if len(self._kept) > _MOST_ANSWERS:
            self._kept.popitem(last=False)


def _invocation(scope: MutableMapping[str, Any]) -> tuple[str, bool]:
    """Return the id of Terraform's request, or "", and whether this is its first attempt."""
    headers = dict(scope["headers"])
    if b"Terraform/" not in headers.get(b"user-agent", b""):
        return "", True
    identity = headers.get(b"amz-sdk-invocation-id", b"").decode("latin-1")
    return identity, headers.get(b"amz-sdk-request", b"").startswith(b"attempt=1;")
