"""The one-machine stack: `python -m local up|down|demo|status|token|logs`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local import demo, processes, stack, tokens
from local.stack import Stack
from tooling import BUILD, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable


def up(arguments: argparse.Namespace) -> int:
    started = Stack(arguments.stack).up()
    print("The stack is up." if started else "The stack is running and up to date.")
    _print_addresses(Stack(arguments.stack))
    return 0


def down(arguments: argparse.Namespace) -> int:
    directories = [state.parent for state in sorted(BUILD.glob("*/state.json"))]
    for directory in directories if arguments.all else [arguments.stack]:
        count = Stack(directory).down()
        print(f"{directory.name}: " + (f"ended {count} processes" if count else "was not running"))
    return 0


def run_demo(arguments: argparse.Namespace) -> int:
    herald = Stack(arguments.stack)
    started = herald.up(owned=True)
    try:
        environment = herald.environment()
        print(demo.deliver_one(environment), flush=True)
        if arguments.once:
            return 0
        again = demo.deliver_one(environment)  # the functions are warm now
        print(f"The same again, with warm functions:\n{again.legs()}\n", flush=True)
        print(f"Try it yourself: {environment['HERALD_STUDIO_URL']}   (Ctrl-C ends the stack)")
        return _wait(herald)
    finally:
        if started:
            # A second Ctrl-C must not leave half of it behind.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            herald.down()
            print("\nThe stack has ended; nothing is left running.")


def _wait(herald: Stack) -> int:
    """Wait for Ctrl-C; return 1 when the stack dies before."""
    never = threading.Event()
    while herald.healthy():
        never.wait(3.0)
    print(f"A part of the stack has died; see {herald.directory / 'logs'}.", file=sys.stderr)
    return 1


def status(arguments: argparse.Namespace) -> int:
    herald = Stack(arguments.stack)
    if not herald.healthy():
        left = len(processes.owned(herald.directory))
        print(f"The stack is not up{f', but {left} processes of it are left' if left else ''}.")
        return 1
    print(f"The stack is up, {len(processes.owned(herald.directory))} processes and PostgreSQL.")
    _print_addresses(herald)
    return 0


def _print_addresses(herald: Stack) -> None:
    environment = herald.environment()
    for title, name in [
        ("Studio", "HERALD_STUDIO_URL"),
        ("WebSocket", "HERALD_WEBSOCKET_URL"),
        ("Webhook", "HERALD_CALLBACK_URL"),
        ("AWS", "AWS_ENDPOINT_URL"),
    ]:
        print(f"  {title:10} {environment[name]}")
    print(f"  {'All':10} {os.path.relpath(herald.env_file)}")


def token(arguments: argparse.Namespace) -> int:
    print(tokens.issue(Stack(arguments.stack).environment(), arguments.user, arguments.seconds))
    return 0


def logs(arguments: argparse.Namespace) -> int:
    files = sorted((arguments.stack / "logs").glob(f"{arguments.name}*.log"))
    if not files:
        raise SetupError(f"There are no such logs in {arguments.stack / 'logs'}.")
    options = ["-F"] if arguments.follow else ["-n", "40"]
    os.execvp("tail", ["tail", *options, *map(str, files)])  # noqa: S606


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m local", description="Herald on one machine.")
    root.add_argument("--stack", type=Path, default=stack.DEFAULT, help="directory of the stack")
    commands = root.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> Any:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("up", up, "boot the stack in the background, or bring it up to date")
    ended = command("down", down, "end the stack and remove its data")
    ended.add_argument("--all", action="store_true", help="every stack below build/")
    shown = command("demo", run_demo, "boot the stack and send one generation through it")
    shown.add_argument("--once", action="store_true", help="exit after the first notification")
    command("status", status, "show what runs and where")
    issued = command("token", token, "print a JWT that the running stack accepts")
    issued.add_argument("user", help="the user it is for")
    issued.add_argument("--seconds", type=float, default=3600, help="its lifetime (3600)")
    read = command("logs", logs, "print the ends of the stack's logs")
    read.add_argument("name", nargs="?", default="", help="emulator, studio, terraform …")
    read.add_argument("--follow", action="store_true", help="go on printing")
    return root


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    arguments = parser().parse_args()
    # Whatever asks us to stop, the stack is ended on the way out.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        code: int = arguments.run(arguments)
        return code
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
