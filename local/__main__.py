"""The commands of the local stack: `python -m local up|down|demo|status|token|logs`."""

import dataclasses
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tooling import BUILD, SetupError, stack_env
from tooling.program import Program, spread

if TYPE_CHECKING:
    from local.choices import Choices
    from local.stack import Stack

app = typer.Typer(
    cls=Program,
    help="Run Herald on one machine: PostgreSQL, an AWS emulator, Terraform and the studio.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def choose(
    context: typer.Context,
    stack: Annotated[
        Path, typer.Option(metavar="DIRECTORY", help="The directory of the stack.")
    ] = stack_env.STACK,
) -> None:
    """Select the stack for the command."""
    # Signals raise an exception, so that a stack that is interrupted while it starts is stopped.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    context.obj = stack


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of `up` and `demo`."""

    origins: Annotated[
        str | None,
        typer.Option(
            metavar="ORIGIN,…",
            help="Origins of your application's pages, such as http://localhost:5173.",
            show_default=False,
        ),
    ] = None
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The first of three consecutive ports: webhooks and WebSockets, studio,"
            " PostgreSQL. Default: the ports of the last start, which are drawn once.",
            show_default=False,
        ),
    ] = None
    database: Annotated[
        str,
        typer.Option(
            metavar="DSN",
            help="Your own PostgreSQL database. Herald's migrations create the schema herald in it,"
            " and nothing drops it.",
            show_default=False,
        ),
    ] = ""
    provider_apis: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Other addresses of providers' APIs as JSON:"
            ' {"replicate": "http://127.0.0.1:8082"}.',
            show_default=False,
        ),
    ] = None
    fetch_hosts: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT,…",
            help="More hosts from which outputs may be copied, even by http; `*` allows any port.",
            show_default=False,
        ),
    ] = ""


@app.command()
@spread
def up(context: typer.Context, options: Options) -> int:
    """Start the stack in the background, or bring it up to date.

    Ports and secrets stay the same from one start to the next; they are in build/local/kept.json.
    """
    herald = _stack(context.obj, options)
    started = herald.up()
    print("The stack is up." if started else "The stack is running and up to date.")
    _print_addresses(herald)
    return 0


@app.command()
def down(
    context: typer.Context,
    all_stacks: Annotated[
        bool, typer.Option("--all", help="Stop every stack below build/.")
    ] = False,
) -> int:
    """Stop the stack and delete its data."""
    directories = [state.parent for state in sorted(BUILD.glob("*/state.json"))]
    for directory in directories if all_stacks else [context.obj]:
        count, left = _stack(directory).down()
        what = f"stopped {count} processes" if count else "was not running"
        print(f"{directory.name}: {what}")
        if left:
            print(left)
    return 0


@app.command()
@spread
def demo(
    context: typer.Context,
    options: Options,
    once: Annotated[
        bool, typer.Option("--once", help="Exit after the first notification.")
    ] = False,
) -> int:
    """Start the stack, send one generation through it, and stay up until Ctrl-C."""
    from local.demo import deliver_one

    herald = _stack(context.obj, options)
    started = herald.up(owned=True)
    try:
        environment = herald.environment()
        print(deliver_one(environment), flush=True)
        if once:
            return 0
        again = deliver_one(environment)  # now without cold starts
        print(f"The same again, with warm functions:\n{again.legs()}\n", flush=True)
        url = environment["HERALD_STUDIO_URL"]
        print(f"Try it yourself: {url}   (Ctrl-C stops the stack)", flush=True)
        return _wait(herald)
    finally:
        if started:
            # A second Ctrl-C must not interrupt stopping the stack.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            _, left = herald.down()
            print("\nThe stack is down; nothing is left running.")
            if left:
                print(left)


@app.command()
def status(context: typer.Context) -> int:
    """Show whether the stack is running, and its addresses."""
    from local import processes

    herald = _stack(context.obj)
    count = len(processes.owned(herald.directory))
    if not herald.healthy():
        left = f", but {count} of its processes are still running" if count else ""
        print(f"The stack is not up{left}.")
        return 1
    print(f"The stack is up: {count} processes and PostgreSQL.")
    _print_addresses(herald)
    return 0


@app.command()
def token(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="The user for whom the token is issued.")],
    seconds: Annotated[
        int, typer.Option(min=1, metavar="N", help="The token's lifetime in seconds.")
    ] = 3600,
) -> int:
    """Print a JWT that the running stack accepts."""
    from local import tokens

    print(tokens.issue(_stack(context.obj).environment(), user, seconds))
    return 0


@app.command()
def logs(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(help="emulator, studio, terraform …; default: all.", show_default=False),
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", help="Print new lines as they are added.")
    ] = False,
) -> int:
    """Print the last lines of the stack's logs."""
    directory = context.obj / "logs"
    files = sorted(directory.glob(f"{name}*.log"))
    if not files:
        raise SetupError(f"There are no such logs in {directory}.")
    options = ["-F"] if follow else ["-n", "40"]
    os.execvp("tail", ["tail", *options, *map(str, files)])  # noqa: S606


def _stack(directory: Path, options: Options | None = None) -> "Stack":
    from local.stack import Stack

    return Stack(directory, _choices(options or Options()))


def _choices(options: Options) -> "Choices":
    from local import choices, given_database

    return choices.Choices(
        origins=choices.read_origins(options.origins),
        port=options.port,
        database=given_database.read(options.database) if options.database else None,
        fetch_hosts=choices.read_fetch_hosts(options.fetch_hosts),
        provider_apis=choices.read_provider_apis(options.provider_apis),
        kept=True,
    )


def _wait(herald: "Stack") -> int:
    """Wait for Ctrl-C; return 1 if a part of the stack stops first."""
    never = threading.Event()
    while herald.healthy():
        never.wait(3.0)
    print(
        f"A part of the stack has stopped unexpectedly; see {herald.directory / 'logs'}.",
        file=sys.stderr,
    )
    return 1


def _print_addresses(herald: "Stack") -> None:
    environment = herald.environment()
    for title, name in [
        ("Studio", "HERALD_STUDIO_URL"),
        ("WebSocket", "HERALD_WEBSOCKET_URL"),
        ("Webhooks", "HERALD_CALLBACKS_URL"),
        ("AWS", "AWS_ENDPOINT_URL"),
    ]:
        print(f"  {title:10} {environment[name]}")
    print(f"  {'All':10} {os.path.relpath(herald.env_file)}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    app(prog_name="python -m local")
