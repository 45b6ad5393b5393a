"""Clients from which one duty was removed: each point must notice its own.

A mutant is a replacement in one file of a client, which must match exactly once.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal, NamedTuple

CLIENTS = Path(__file__).parents[1]
_SOURCES = {"python": CLIENTS / "python" / "herald_client", "js": CLIENTS / "js"}
_IGNORED = shutil.ignore_patterns("tests", "declarations", "server")


class Mutant(NamedTuple):
    """A change of one file, after which a client does not meet a point."""

    client: Literal["python", "js"]
    file: str
    old: str
    new: str

    def apply(self, folder: Path) -> Path:
        """Copy the client into a folder and change it; return the folder that the driver takes.

        Raises
        ------
        ValueError
            The code to replace is not there exactly once: the client has changed.
        """
        source = _SOURCES[self.client]
        copy = folder / source.name
        shutil.copytree(source, copy, ignore=_IGNORED)
        path = copy / self.file
        text = path.read_text(encoding="utf-8")
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self.file} contains {self.old!r} {found} times, not once")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
        return folder if self.client == "python" else copy


def _python(file: str, old: str, new: str) -> Mutant:
    return Mutant("python", file, old, new)


MUTANTS: dict[str, Mutant] = {
    "C1": _python("link.py", "self._platform, self._url, headers",
                  'self._platform, f"{self._url}?token={value}", headers'),
    "C2": _python("credential.py", '{"x-api-key": value}', '{"Authorization": f"Key {value}"}'),
    "C3": _python("connection.py", "            self._hello()\n            while", "            while"),
    "C4": _python("core.py", "        self._inbox.reopen()",
                  '        self._inbox.reopen()\n        self._request_load("start")'),
    "C5": _python("client.py", "                    await result",
                  '                    __import__("asyncio").ensure_future(result)'),
    "C6": _python("stream.py", '        place = {"offset": min(offset, cursor.offset)}',
                  '        place = {"offset": min(offset, cursor.offset, 0)}'),
    "C7": _python("connection.py", "        self._owner.received(self, frame)",
                  "        if self.welcomed:\n            self._owner.received(self, frame)"),
    "C8": _python("connection.py", "        self._expect_progress()\n        self._task =",
                  "        self._task ="),
    "C9": _python("connection.py", "later + _ANSWER_SECONDS, lambda", "later + 1e9, lambda"),
    "C10": _python("connection.py", "            if not self.welcomed:\n                self.end(",
                   "            if not self.welcomed:\n                self._timers.stop_all()\n"
                   "            if False:\n                self.end("),
    "C11": _python("connection.py", 'if answer["code"] == RATE_LIMITED:', "if False:"),
    "C12": _python("codes.py", 'frame.get("retry_after_ms", 0) / 1000\n    return Ending(reconnect, "hello',
                   '0.0\n    return Ending(reconnect, "hello'),
    "C13": _python("link.py", "        self.stream.forget()\n", "        self.stream._cursor.forget()\n"),
    "C14": _python("codes.py", "_FINAL_STATUSES = {", '_FINAL_STATUSES = {401: "unauthorized", '),
    "C15": _python("codes.py", "    if status in _FINAL_STATUSES:", "    if False:"),
    "C16": _python("codes.py", 'return Ending("backoff", message, "refused", status)',
                   'return Ending("never", message, "refused", status)'),
    "C17": _python("link.py", 'if ending.reconnect == "never":', "if False:"),
    "C18": _python("codes.py", '    retry_after = frame.get("retry_after_ms", 0) / 1000\n    name',
                   '    if frame["code"] not in (4003, 4011, 4014, 4202):\n'
                   '        reconnect = "backoff"\n'
                   '    retry_after = frame.get("retry_after_ms", 0) / 1000\n    name'),
    "C19": _python("link.py", 'at_once = ending.reconnect == "now" and', "at_once = False and"),
    "C20": _python("link.py", "max(self._not_before, now + ending.retry_after)",
                   "max(self._not_before, now)"),
    "C21": _python("connection.py", "        resume = self._owner.position()", "        resume = None"),
    "C22": _python("backoff.py", "self._random() *", "0.5 *"),
    "C23": Mutant("js", "link.js", "if (evicted) connect();", "if (false) connect();"),
    "C24": _python("core.py", "        await self.link.close()", "        return"),
    "C25": _python("stream.py", 'if self._seen.add(frame["event"]["id"]):', "if True:"),
    "C26": _python("stream.py", 'if place == "new" and self._inbox.full:',
                   'if place == "new" and offset > self._cursor.highest + 1:'),
    "C27": _python("stream.py", "        offset = min(pending, default=cursor.offset)\n"
                   '        place = {"offset": min(offset, cursor.offset)}',
                   '        place = {"offset": min(pending, default=cursor.highest)}'),
    "C28": _python("stream.py", "return list(self._inbox.unhandled(self._cursor.epoch))", "return []"),
    "C29": _python("stream.py", "            if kind != PROGRESS:\n",
                   "            if kind != PROGRESS:\n"
                   "                self._cursor.receive(self._cursor.epoch, self._cursor.highest + 1, 0)\n"),
    "C30": _python("stream.py", "            if generation in self._finished:", "            if False:"),
    "C31": _python("stream.py", "if kind != PROGRESS:", "if True:"),
    "C32": _python("running.py", "and moment <= self._times[generation]", "and False"),
    "C33": _python("stream.py", 'for item in frame["items"]:', 'for item in frame["items"][:1]:'),
    "C34": _python("stream.py", "        self._finished.add(generation)",
                   "        if not self._finished.add(generation):\n            return"),
    "C35": _python("connection.py", '        if frame["type"] == "close":',
                   '        if frame["type"].startswith("of_"):\n'
                   '            raise ValueError("unknown frame")\n'
                   '        if frame["type"] == "close":'),
    "C36": _python("stream.py", "        epoch, offset = frame[\"epoch\"], frame[\"offset\"]\n",
                   "        epoch, offset = frame[\"epoch\"], frame[\"offset\"]\n"
                   '        if not frame["event"]["type"].endswith(("complete", "error", "progress")):\n'
                   "            return\n"),
    "C37": _python("cursor.py", "GRACE_SECONDS = 2.0", "GRACE_SECONDS = 20.0"),
    "C38": _python("recovery.py", "hole.tries += 1", "hole.tries += 0"),
    "C39": _python("recovery.py", "GIVE_UP_SECONDS = 600.0", "GIVE_UP_SECONDS = 6000.0"),
    "C40": _python("cursor.py", "or any(offset in span for span in self.skipped)", "or False"),
    "C41": _python("recovery.py", 'now + answer.get("retry_after_ms", 0) / 1000', "now"),
    "C42": _python("connection.py", "call_later(_ANSWER_SECONDS, lambda: self._answer",
                   "call_later(1e9, lambda: self._answer"),
    "C43": _python("core.py", '        self.link.ping()', "        return"),
    "C44": _python("stream.py", "            self._learn(epoch, head, 0.0)", "            return"),
    "C45": _python("stream.py", "own is not None and epoch > own", "False"),
    "C46": _python("core.py", '        self._request_load("gap")', "        return"),
    "C47": _python("stream.py", "        self._cursor.adopt(gap.epoch, gap.head,",
                   "        self._cursor.learn(gap.epoch, gap.head, 0.0,"),
    "C48": _python("link.py", 'frame["code"] == OVERLOADED and', "False and"),
    "C49": _python("keepalive.py", "keepalive = self._active_at + self._interval",
                   "keepalive = self._active_at + 1.9 * self._interval"),
    "C50": _python("keepalive.py", "return 2 * (self._interval or 0.0) - _ANSWER_SECONDS", "return 1e9"),
    "C51": _python("keepalive.py", "        self._active_at = self._clock",
                   "        self._proven_at = self._active_at = self._clock"),
    "C52": _python("keepalive.py", "self._pinged_at) + self._ping_interval\n",
                   "self._pinged_at) + 2 * self._ping_interval\n"),
    "C53": _python("keepalive.py", "_PING_TRIES = 2", "_PING_TRIES = 1"),
    "C54": _python("connection.py", "            if tries == 1:", "            if False:"),
    "C55": _python("connection.py", "if answer or self._heard_at > asked_at:", "if answer:"),
    "C56": _python("link.py", "may have changed.\"\"\"\n        if self._current:\n            self._current.ping()",
                   "may have changed.\"\"\"\n        if self._current:\n            return"),
    "C57": _python("link.py", "self._timer is not None and self._now() >= self._not_before", "False"),
    "C58": Mutant("js", "link.js", "current.ping() : current.check();", "current.ping() : undefined;"),
    "C59": _python("link.py", "if connection is self._current and not self._next", "if False and not self._next"),
    "C60": _python("link.py", "not self._is_dialling():\n            self._dial()",
                   "not self._is_dialling():\n            self.drop_current()\n            self._dial()"),
    "C61": _python("renewal.py", "_AT = 0.8", "_AT = 0.95"),
    "C62": _python("renewal.py", "_BEFORE_SECONDS = 180.0", "_BEFORE_SECONDS = 10.0"),
    "C63": _python("renewal.py", "self._arm(max(at_least, self._backoff.next()))", "self.stop()"),
    "C64": _python("stream.py", "        self._write(stored=True)", "        return"),
    "C65": _python("position.py", 'if stored["owner"] == owner else None', "if stored else None"),
    "C66": _python("position.py", '            raise ValueError("the epoch is not a UUID")', "            pass"),
    "C67": _python("recovery.py", "now = self._platform.clock.monotonic()\n        self._asking = False",
                   "now = self._platform.clock.time() - 1767225600.0\n        self._asking = False"),
    "C68": _python("cursor.py", "            self.highest = head\n\n    def adopt",
                   "            self.highest = head + (head % 7 == 0)\n\n    def adopt"),
    "C69": _python("recovery.py", "        self._postpone(first, reached, now)", "        self._cursor.holes.clear()"),
}  # fmt: skip

# Rules that hold in every point: a point in which the client breaks the rule, and the mutant.
RULES: dict[str, tuple[str, Mutant]] = {
    "every frame is valid": ("C69", _python("recovery.py", "_MOST_EVENTS = 100", "_MOST_EVENTS = 1000")),
    "the first frame is hello": (
        "C3",
        _python("connection.py", "            self._hello()\n            while",
                '            self._send({"action": "keepalive"})\n            self._hello()\n            while'),
    ),
    "every request of a connection has its own id": (
        "C37", _python("connection.py", '"id": number, **fields', '"id": 1, **fields'),
    ),
    "the client comes to rest": (
        "C52",
        _python("connection.py", '        if frame["type"] == "welcome":',
                '        if frame["type"] == "pong":\n            self.ping()\n        if frame["type"] == "welcome":'),
    ),
}  # fmt: skip
