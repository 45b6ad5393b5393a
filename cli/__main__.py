"""Entry point of `./herald`."""

import os

from cli.app import app

if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)  # the launcher's; not for the programs that we start
    app(prog_name="herald")
