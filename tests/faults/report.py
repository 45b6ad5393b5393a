"""What a run showed: a table for people, and one last line for whoever greps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.checker import Verdict

_SHOWN = 30  # violations; the history file has all


def summary(verdict: Verdict) -> str:
    """The last line of a run."""
    return (
        f"{verdict.generations} generations, {verdict.faults.total()} faults, "
        f"{verdict.duplicates_after} duplicates seen by applications, {verdict.gaps} gaps, "
        f"{verdict.losses} silent losses"
    )


def table(verdict: Verdict, seed: int) -> str:
    """The whole report, without the last line."""
    recovery = "never" if verdict.recovery is None else f"{verdict.recovery:.1f} s"
    rows = [
        ("seed (SEED=… repeats the schedule)", str(seed)),
        ("generations", str(verdict.generations)),
        ("faults injected", str(verdict.faults.total())),
        *((f"  {kind}", str(count)) for kind, count in sorted(verdict.faults.items())),
        ("event frames that reached clients", str(verdict.received)),
        ("duplicates before the clients' dedupe", str(verdict.duplicates_before)),
        ("duplicates seen by applications", str(verdict.duplicates_after)),
        ("notices after their result", str(verdict.late_notices)),
        ("events moved back from the dead letters", str(verdict.redriven)),
        ("gaps told", str(verdict.gaps)),
        ("silent losses", str(verdict.losses)),
        ("time to recover after the last fault", recovery),
        ("invariants", "all hold" if verdict.holds else f"{len(verdict.violations)} violations"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {value:>10}" for name, value in rows]
    lines += [f"  ✗ {violation}" for violation in verdict.violations[:_SHOWN]]
    if len(verdict.violations) > _SHOWN:
        lines.append(f"  … and {len(verdict.violations) - _SHOWN} more")
    return "\n".join(lines)
