"""The report of a run, with a table for people and a last line for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.checker import Verdict

_SHOWN = 30  # violations; the history file has all of them


def summary(verdict: Verdict) -> str:
    """The last line of the report."""
    return (
        f"{verdict.generations} generations, {verdict.faults.total()} faults, "
        f"{verdict.duplicates_after} duplicates seen by applications, {verdict.gaps} gaps, "
        f"{verdict.losses} silent losses, {verdict.outputs.dead_links} dead links"
    )


def table(verdict: Verdict, seed: int) -> str:
    """The report without its last line."""
    recovery = "never" if verdict.recovery is None else f"{verdict.recovery:.1f} s"
    rows = [
        ("seed (SEED=… repeats the schedule)", str(seed)),
        ("generations", str(verdict.generations)),
        ("faults injected", str(verdict.faults.total())),
        *((f"  {kind}", str(count)) for kind, count in sorted(verdict.faults.items())),
        ("event frames that reached clients", str(verdict.received)),
        ("duplicates before the clients' dedupe", str(verdict.duplicates_before)),
        ("duplicates seen by applications", str(verdict.duplicates_after)),
        ("notices that arrived after their result", str(verdict.late_notices)),
        ("events redriven from the dead-letter queue", str(verdict.redriven)),
        ("gaps reported", str(verdict.gaps)),
        ("silent losses", str(verdict.losses)),
        ("outputs in events", str(verdict.outputs.total)),
        ("  kept", str(verdict.outputs.kept)),
        ("  not kept, in keep's dead-letter queue", str(verdict.outputs.not_kept)),
        ("  passed on with the provider's address", str(verdict.outputs.passed_on)),
        ("dead links among kept outputs", str(verdict.outputs.dead_links)),
        ("time to recover after the last fault", recovery),
        ("invariants", "all hold" if verdict.holds else f"{len(verdict.violations)} violations"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {value:>10}" for name, value in rows]
    lines += [f"  ✗ {violation}" for violation in verdict.violations[:_SHOWN]]
    if len(verdict.violations) > _SHOWN:
        lines.append(f"  … and {len(verdict.violations) - _SHOWN} more")
    return "\n".join(lines)
