"""The entry point of `./herald`."""

import os
import sys
import traceback

from cli.app import app
from cli.console import PARTLY, note


def main() -> None:
    """Run the command. `note` escapes tracebacks, because they may contain text from outside."""
    try:
        app(prog_name="herald")
    except Exception:
        note(traceback.format_exc().rstrip())
        sys.exit(PARTLY)


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)  # the launcher's; not for the programs that we start
    main()
