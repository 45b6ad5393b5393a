"""Herald on one machine: PostgreSQL, an AWS emulator, the applied Terraform and the studio."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
