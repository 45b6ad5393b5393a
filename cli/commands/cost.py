"""`./herald cost`: computes the monthly cost of Herald."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import typer

from cli.console import DONE, print_json
from cli.cost.inputs import DURATIONS, MEMORY, InputError, Inputs, durations
from cli.cost.prices import PRICES
from cli.declare import command
from cli.options import Json

_DEFAULTS = Inputs()


def _number(text: str) -> Any:
    return typer.Option(metavar="N", help=text)


def _changes(metavar: str, text: str, defaults: Mapping[str, float] | None = None) -> Any:
    listed = ", ".join(f"{name} {value:g}" for name, value in (defaults or {}).items())
    defaulted = f": {listed}" if listed else ""
    text = f"{text}{defaulted}; may be repeated."
    return typer.Option(metavar=metavar, help=text, show_default=False)


@dataclass(frozen=True)
class Numbers:
    """The options with the inputs of the bill."""

    users: Annotated[
        float,
        _number("Daily users. Other transports' plans assume that all are connected at once."),
    ] = _DEFAULTS.users
    notifications: Annotated[float, _number("Notifications per user and month.")] = (
        _DEFAULTS.notifications
    )
    hours: Annotated[float, _number("Hours per day that a user is connected.")] = _DEFAULTS.hours
    connections: Annotated[float, _number("Connections per user: tabs and devices.")] = (
        _DEFAULTS.connections
    )
    online: Annotated[
        float, _number("Share of notifications to connected users; the others are replayed.")
    ] = _DEFAULTS.online
    reconnects: Annotated[
        float, _number("Reconnects per connected hour, without the renewal every two hours.")
    ] = _DEFAULTS.reconnects
    token_minutes: Annotated[
        float, _number("Lifetime of a token in minutes, which determines how often it is renewed.")
    ] = _DEFAULTS.token_minutes
    batch: Annotated[
        float, _number("Messages per call of deliver: 1 in quiet times, up to 10 in a burst.")
    ] = _DEFAULTS.batch
    event_bytes: Annotated[float, _number("Size of an event in bytes.")] = _DEFAULTS.event_bytes
    retention_days: Annotated[
        float, _number("Days that the inbox keeps events (inbox_retention_days).")
    ] = _DEFAULTS.retention_days
    log_days: Annotated[float, _number("Days that logs are kept (log_retention_days).")] = (
        _DEFAULTS.log_days
    )
    cold_share: Annotated[float, _number("Share of calls with a cold start.")] = (
        _DEFAULTS.cold_share
    )
    cold_ms: Annotated[float, _number("Milliseconds billed for a cold start.")] = _DEFAULTS.cold_ms
    tracing: Annotated[
        bool, typer.Option("--tracing", help="Functions send traces to X-Ray (tracing).")
    ] = _DEFAULTS.tracing
    outbox_days: Annotated[
        float,
        _number("Days after which an inactive stream's head is stored (outbox_retention_days)."),
    ] = _DEFAULTS.outbox_days
    architecture: Annotated[
        Literal["arm64", "x86_64"], typer.Option(help="Processors of the functions (architecture).")
    ] = _DEFAULTS.architecture
    function_url: Annotated[
        bool, typer.Option("--function-url", help="Webhooks call the function's own URL.")
    ] = _DEFAULTS.function_url
    lean: Annotated[bool, typer.Option("--lean", help="The stage has the lean profile (lean).")] = (
        _DEFAULTS.lean
    )
    keep_outputs: Annotated[
        bool,
        typer.Option("--keep-outputs", help="Outputs are copied into a bucket (keep_outputs)."),
    ] = _DEFAULTS.keep_outputs
    outputs: Annotated[float, _number("Kept outputs per notification.")] = _DEFAULTS.outputs
    output_megabytes: Annotated[float, _number("Megabytes of a kept output.")] = (
        _DEFAULTS.output_megabytes
    )
    links_followed: Annotated[
        float, _number("How often the link of each kept output is followed.")
    ] = _DEFAULTS.links_followed
    output_retention_days: Annotated[
        float, _number("Days that outputs are kept (output_retention_days).")
    ] = _DEFAULTS.output_retention_days
    copy_speed: Annotated[float, _number("Megabytes per second at which keep copies a file.")] = (
        _DEFAULTS.copy_speed
    )
    cloudfront: Annotated[
        bool, typer.Option("--cloudfront", help="CloudFront is in front of links and bucket.")
    ] = _DEFAULTS.cloudfront
    looked_up: Annotated[
        float, _number("Share of notifications that are looked up at their provider.")
    ] = _DEFAULTS.looked_up
    polls: Annotated[float, _number("Look-ups until one of these generations has a result.")] = (
        _DEFAULTS.polls
    )
    lookup_providers: Annotated[
        float, _number("Providers whose APIs are asked; each has its own metrics.")
    ] = _DEFAULTS.lookup_providers
    poll_only: Annotated[
        bool,
        typer.Option(
            "--poll-only",
            help="The providers send no webhooks, so reconcile waits for all results.",
        ),
    ] = _DEFAULTS.poll_only
    duration: Annotated[
        list[str], _changes("FUNCTION=MS", "Milliseconds of a warm call", DURATIONS)
    ] = field(default_factory=list)
    memory: Annotated[list[str], _changes("FUNCTION=MB", "Memory of a function", MEMORY)] = field(
        default_factory=list
    )
    price: Annotated[
        list[str], _changes("NAME=AMOUNT", "Another price for a name from --prices")
    ] = field(default_factory=list)

    def inputs(self) -> Inputs:
        """Return the bill's inputs; raises InputError if one is out of range."""
        amounts = {name: price.amount for name, price in PRICES.items()}
        numbers: dict[str, Any] = asdict(self)
        prices = _changed("price", numbers.pop("price"), amounts)
        memory = _changed("memory", numbers.pop("memory"), MEMORY)
        return Inputs(
            durations=_changed("duration", numbers.pop("duration"), durations(memory)),
            memory=memory,
            prices={name: PRICES[name]._replace(amount=prices[name]) for name in PRICES},
            **numbers,
        )


@command("""
./herald cost --users 100000 --notifications 100
./herald cost --users 100000 --hours 8 --batch 4 --json
./herald cost --keep-outputs --output-megabytes 8 --links-followed 3 --looked-up 0.01
./herald cost --duration deliver=30 --memory deliver=1024 --price websocket-minute=0.29
""")
def cost(
    numbers: Numbers,
    prices: Annotated[
        bool, typer.Option("--prices", help="Show the prices and their pages.")
    ] = False,
    json: Json = False,
) -> int:
    """Compute the monthly cost of Herald on AWS, item by item, and compare it with other
    transports.

    The prices are list prices of us-east-1 without free tiers. Not included: your PostgreSQL, NAT
    or VPC endpoints, support, taxes.

    --json prints {"region", "prices_checked", "inputs", "volumes", "lines", "summary",
    "transports"}.
    """
    from cli.cost import report

    if prices:
        report.print_prices()
        return DONE
    given = numbers.inputs()
    if json:
        print_json(report.as_json(given))
    else:
        report.print_bill(given)
    return DONE


def _changed(
    option: str, changes: Sequence[str], defaults: Mapping[str, float]
) -> dict[str, float]:
    changed = dict(defaults)
    for change in changes:
        name, _, text = change.partition("=")
        if name not in defaults:
            raise InputError(f"--{option} {change}: the name is one of {', '.join(defaults)}")
        try:
            changed[name] = float(text)
        except ValueError:
            raise InputError(f"--{option} {change}: write {name}=NUMBER") from None
        if not 0 <= changed[name] < float("inf"):
            raise InputError(f"--{option} {change}: the number must be at least 0")
    return changed
