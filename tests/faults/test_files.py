"""The files of a run are served in several ways and then forgotten; all links are followed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from tests.faults import files
from tests.faults.files import Files, Links
from tests.faults.history import History
from tests.integration.outputs import cdn

if TYPE_CHECKING:
    from tests.faults.stack import FaultStack

LINK = "https://herald.test/outputs/g1/0/signature"
PICTURE = b"the picture"


@pytest.mark.parametrize(
    ("manner", "statuses"),
    [
        ("at once", [200, 200]),
        ("slowly", [200, 200]),
        ("after an error", [503, 200]),
        ("never", [410, 410]),
    ],
)
def test_a_file_is_served_until_it_is_forgotten(
    manner: str, statuses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MANNERS", {manner: 1})
    monkeypatch.setattr(files, "SLOWLY", 0.01)
    history = History()
    with cdn.running() as server:
        found = Files(server, history, random.Random(1))
        url = found.add("g1", may_be_late=True)[0]
        answers = [httpx.get(url) for _ in range(2)]
        found.forget()
        assert httpx.get(url).status_code == 404
    assert [answer.status_code for answer in answers] == statuses
    digest = next(history.of("file")).data["digest"]
    same = hashlib.sha256(answers[-1].content).hexdigest() == digest
    assert same == (manner != "never")


class Stack:
    """The queues and logs of a stack."""

    def __init__(self) -> None:
        self.dead: list[str] = []

    def drain(self, queue: str) -> list[str]:
        assert queue == "HERALD_KEEP_DLQ_URL"
        found, self.dead = self.dead, []
        return [json.dumps({"subject": generation}) for generation in found]

    def logs(self, handler: str, since: float) -> str:
        lines = {"keep": '{"Name":"OutputsKept"}],"OutputsKept":2}\n"OutputsKept":1}'}
        return lines.get(handler, "")


class Herald:
    """Answers the link; `kept` says whether there is a copy."""

    kept = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/copy":
            return httpx.Response(200, content=PICTURE)
        if request.headers["accept"] == "application/json":
            return httpx.Response(200, json={"kept": self.kept})
        location = "https://s3.test/copy" if self.kept else "https://herald.test/copy"
        return httpx.Response(302, headers={"location": location})


def run(history: History, stack: Stack, herald: Herald, steps: Any) -> Any:
    async def inside() -> Any:
        transport = httpx.MockTransport(herald.answer)
        async with httpx.AsyncClient(transport=transport) as http:
            return await steps(Links(cast("FaultStack", stack), history, http))

    return asyncio.run(inside())


def handled() -> History:
    """A client has handled an event with a link and with an address of the CDN."""
    history = History()
    history.add("provider", "generation", generation="g1", user="alice")
    history.add("cdn", "file", generation="g1", number=1, url="https://cdn.test/1", digest="")
    history.add("alice/1", "handled", generation="g1", links=[LINK, "https://cdn.test/1"])
    return history


def test_a_run_has_not_settled_before_each_output_is_copied() -> None:
    herald = Herald()

    async def steps(links: Links) -> list[bool]:
        before = await links.settled()
        herald.kept = True
        return [before, await links.settled()]

    assert run(handled(), Stack(), herald, steps) == [False, True]


def test_an_output_that_was_given_up_is_not_awaited() -> None:
    history, stack = handled(), Stack()

    async def steps(links: Links) -> list[bool]:
        stack.dead = ["of another suite"]
        before = await links.settled()
        stack.dead = ["g1"]
        return [before, await links.settled(), await links.settled()]

    assert run(history, stack, Herald(), steps) == [False, True, True]
    assert [op.data for op in history.of("not_kept")] == [{"generation": "g1"}]


def test_each_link_is_followed_and_metrics_are_summed() -> None:
    history, herald = handled(), Herald()
    herald.kept = True
    run(history, Stack(), herald, lambda links: links.follow())
    digest = hashlib.sha256(PICTURE).hexdigest()
    assert [op.data for op in history.of("followed")] == [
        {"link": LINK, "kept": True, "status": 200, "digest": digest}
    ]
    counted = {(op.process, op.data["metric"]): op.data["count"] for op in history.of("counted")}
    assert counted["keep", "OutputsKept"] == 3
    assert counted["callback", "OutputsPassedOn"] == 0
