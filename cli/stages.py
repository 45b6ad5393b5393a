"""The stages that are configured."""

from __future__ import annotations

from tooling import ROOT

DIRECTORY = ROOT / "infra" / "envs"


def stages() -> list[str]:
    """Return their names: a stage is a file infra/envs/<stage>.tfvars."""
    return sorted(path.stem for path in DIRECTORY.glob("*.tfvars"))
