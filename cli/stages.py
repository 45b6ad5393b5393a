"""The configured stages."""

from __future__ import annotations

from tooling import ROOT

DIRECTORY = ROOT / "infra" / "envs"


def stages() -> list[str]:
    """Return the names of all stages. A stage is a file infra/envs/<stage>.tfvars."""
    return sorted(path.stem for path in DIRECTORY.glob("*.tfvars"))
