"""What building Herald takes: the environments, the Lambda package, Terraform.

Used by the operators' command and by the one-machine stack. It knows neither of them.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


class SetupError(Exception):
    """Something is missing on this machine; the message says what to do about it."""
