"""The build tools: Python environments, the Lambda package and Terraform.

The `./herald` command and the local stack use this package. It does not depend on them.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


class SetupError(Exception):
    """A requirement is missing on this machine; the message says how to provide it."""
