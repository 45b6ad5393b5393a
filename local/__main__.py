"""The commands of the local stack: `python -m local up|down|demo|status|token|logs`."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chalicelib.providers.hosts import PRIVATE
from tooling import BUILD, SetupError, stack_env
from tooling.program import Program

if TYPE_CHECKING:
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


ProviderApis = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help='Other addresses of providers\' APIs as JSON: {"replicate": "http://127.0.0.1:8082"}.',
        show_default=False,
    ),
]
FetchHosts = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT,…",
        help="Further hosts that outputs may be copied from, also with http; `*` for any port.",
    ),
]


@app.command()
def up(
    context: typer.Context, fetch_hosts: FetchHosts = "", provider_apis: ProviderApis = None
) -> int:
    """Start the stack in the background, or bring it up to date."""
    herald = _stack(context.obj, fetch_hosts, provider_apis)
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
        count = _stack(directory).down()
        what = f"stopped {count} processes" if count else "was not running"
        print(f"{directory.name}: {what}")
    return 0


@app.command()
def demo(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Exit after the first notification.")
    ] = False,
    provider_apis: ProviderApis = None,
    fetch_hosts: FetchHosts = "",
) -> int:
    """Start the stack, send one generation through it, and stay up until Ctrl-C."""
    from local.demo import deliver_one

    herald = _stack(context.obj, fetch_hosts, provider_apis)
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
            herald.down()
            print("\nThe stack is down; nothing is left running.")


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
    user: Annotated[str, typer.Argument(help="The user it is for.")],
    seconds: Annotated[int, typer.Option(min=1, metavar="N", help="Its lifetime.")] = 3600,
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


def _stack(directory: Path, fetch_hosts: str = "", provider_apis: Path | None = None) -> "Stack":
    from local.stack import Stack, read_provider_apis

    hosts = [host.strip() for host in fetch_hosts.split(",") if host.strip()]
    for host in hosts:
        if not PRIVATE.fullmatch(host):
            raise SetupError(f"{host!r} is not a host and a port, such as 127.0.0.1:8081.")
    apis = None if provider_apis is None else read_provider_apis(provider_apis)
    return Stack(directory, fetch_hosts=hosts, provider_apis=apis)


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
