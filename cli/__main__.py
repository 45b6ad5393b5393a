"""The entry point of `./herald`."""

import os

from cli.app import app

if __name__ == "__main__":
    # set by the launcher; programs started by a command must not inherit it
    os.environ.pop("PYTHONPATH", None)
    app(prog_name="herald")
