"""What a check has found."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """The result of one check.

    `what` is a sentence about what was found. `fix` says what to do about a problem; it is empty if
    there is none.
    """

    check: str
    what: str
    fix: str = ""

    @property
    def healthy(self) -> bool:
        return not self.fix

    def public(self) -> dict[str, str | bool]:
        """Return the finding for scripts."""
        return {"check": self.check, "ok": self.healthy, "what": self.what, "fix": self.fix}
