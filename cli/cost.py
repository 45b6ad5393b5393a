"""What Herald costs by the month, line by line, beside other transports: `make cost`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from cli.bill import DURATIONS, GROUPS, MEMORY, InputError, Inputs, bill, summary, volumes
from cli.commands import DONE, NOT_BEGUN, note
from cli.peers import peers
from cli.prices import ABLY, CHECKED, PRICES, PUSHER, PUSHER_PAGE, REGION, Price

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

WIDE = 160  # columns of a table that no terminal shows

_HELP = f"""\
What a month of Herald costs on AWS, computed from the inputs below: list prices of {REGION} without
free tiers, as of {CHECKED} (--prices shows each with its page). Not included: your PostgreSQL, NAT
or VPC endpoints, support, taxes."""

_EXAMPLES = """\
examples:
  make cost USERS=100000 NOTIFICATIONS=100
  make cost USERS=100000 ARGS="--hours 8 --batch 4 --json"
  make cost ARGS="--duration deliver=30 --memory deliver=1024 --price websocket-minute=0.29"

exit codes: 0 done; 2 an input makes no sense"""

_FLAGS = {
    "users": "users who come every day; for plans by connections at once, all of them at once",
    "hours": "hours a day that a user is connected",
    "notifications": "notifications per user and month",
    "connections": "connections per user: tabs and devices",
    "online": "share of notifications whose user is connected; the others are replayed",
    "reconnects": "new connections per connected hour beside the renewal before two hours",
    "token_minutes": "lifetime of a token; it is renewed at 80 %%",
    "batch": "messages in a call of deliver: 1 in quiet times, up to 10 in a burst",
    "event_bytes": "size of an event",
    "retention_days": "days the inbox keeps events (inbox_retention_days)",
    "log_days": "days logs are kept (log_retention_days)",
    "cold_share": "share of calls that start a new copy of a function",
    "cold_ms": "milliseconds billed for starting one",
}


_TITLES = {
    "notifications": "With each notification",
    "connections": "With being connected",
    "deployment": "The deployment by itself",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the bill; return the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.prices:
        _print_prices()
        return DONE
    try:
        given = _inputs(arguments)
    except InputError as exc:
        note(str(exc))
        return NOT_BEGUN
    if arguments.json:
        print(json.dumps(as_json(given), indent=2))
    else:
        _print_tables(given)
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make cost",
        description=_HELP,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for name, text in _FLAGS.items():
        default = getattr(Inputs(), name)
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(
            flag, type=float, default=default, metavar="N", help=f"{text} ({default:g})"
        )
    changes = {
        "duration": ("FUNCTION=MS", f"milliseconds of a warm call: {_defaults(DURATIONS)}"),
        "memory": ("FUNCTION=MB", f"memory of a function: {_defaults(MEMORY)}"),
        "price": ("NAME=AMOUNT", "another price, by its name in --prices"),
    }
    for name, (metavar, text) in changes.items():
        parser.add_argument(
            f"--{name}", action="append", default=[], metavar=metavar, help=f"{text}; repeatable"
        )
    parser.add_argument("--prices", action="store_true", help="show the prices and their pages")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _defaults(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def _inputs(arguments: argparse.Namespace) -> Inputs:
    durations = _changed("duration", arguments.duration, DURATIONS)
    memory = _changed("memory", arguments.memory, MEMORY)
    amounts = _changed("price", arguments.price, {name: p.amount for name, p in PRICES.items()})
    prices: dict[str, Price] = {
        name: price._replace(amount=amounts[name]) for name, price in PRICES.items()
    }
    plain = {name: getattr(arguments, name) for name in _FLAGS}
    return Inputs(**plain, durations=durations, memory=memory, prices=prices)


def _changed(flag: str, changes: Sequence[str], defaults: Mapping[str, float]) -> dict[str, float]:
    changed = dict(defaults)
    for change in changes:
        name, _, text = change.partition("=")
        if name not in defaults:
            raise InputError(f"--{flag} {change}: the name is one of {', '.join(defaults)}")
        try:
            changed[name] = float(text)
        except ValueError:
            raise InputError(f"--{flag} {change}: write {name}=NUMBER") from None
        if not 0 <= changed[name] < float("inf"):
            raise InputError(f"--{flag} {change}: the number must be at least 0")
    return changed


# --- output ---


def as_json(given: Inputs) -> dict[str, Any]:
    """Return everything that the tables show, with inputs and volumes."""
    lines = bill(given)
    inputs = {item.name: getattr(given, item.name) for item in fields(given)}
    inputs["prices"] = {name: price._asdict() for name, price in given.prices.items()}
    return {
        "region": REGION,
        "prices_checked": CHECKED,
        "inputs": inputs,
        "volumes": volumes(given)._asdict(),
        "lines": [line._asdict() for line in lines],
        "summary": summary(given, lines)._asdict(),
        "transports": [peer._asdict() for peer in peers(given)],
    }


def money(amount: float | None) -> str:
    """Write dollars: cents, or more digits where there are no cents."""
    if amount is None:
        return "—"
    return f"${amount:,.2f}" if amount >= 0.1 or amount == 0 else f"${amount:.2g}"


def quantity(number: float) -> str:
    """Write a count with four digits, millions as M."""
    if number >= 1e6:
        return f"{number / 1e6:,.4g} M"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _console() -> Console:
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=WIDE)


def _print_tables(given: Inputs) -> None:
    from rich.table import Table

    console = _console()
    lines, total = bill(given), summary(given)
    for group in GROUPS:
        table = Table(title=_TITLES[group], title_justify="left")
        for name in ("service", "what"):
            table.add_column(name)
        for name in ("a month", "unit", "price", "dollars"):
            table.add_column(name, justify="left" if name == "unit" else "right")
        for line in lines:
            if line.group == group:
                price = given.prices[line.price]
                each = f"${price.amount:g} / {quantity(price.per)}"
                table.add_row(
                    line.service, line.what, quantity(line.quantity), price.unit, each,
                    money(line.amount),
                )  # fmt: skip
        subtotal = sum(line.amount for line in lines if line.group == group)
        table.add_section()
        table.add_row("", "all of these", "", "", "", money(subtotal))
        console.print(table)
    console.print(
        f"A month: {money(total.total)}. Per million notifications"
        f" {money(total.per_million_notifications)}, per million connection-minutes"
        f" {money(total.per_million_minutes)}, the deployment itself {money(total.deployment)}.\n"
    )
    table = Table(title="The transport alone, beside others", title_justify="left")
    table.add_column("transport")
    for name in ("a month", "per M notifications", "per M connection-minutes"):
        table.add_column(name, justify="right")
    table.add_column("counted")
    for name, *amounts, counted in peers(given):
        table.add_row(name, *(money(amount) for amount in amounts), counted)
    console.print(table)


def _print_prices() -> None:
    from rich.table import Table

    table = Table(title=f"List prices, {REGION}, {CHECKED}", title_justify="left")
    for name in ("name", "price", "basis", "page"):
        table.add_column(name, overflow="fold")
    for name, price in PRICES.items():
        each = f"${price.amount:g} / {quantity(price.per)} {price.unit}"
        table.add_row(name, each, price.basis, price.page)
    for plan in PUSHER:
        table.add_row(f"Pusher {plan.name}", f"{money(plan.amount)} a month", "read", PUSHER_PAGE)
    for plan in ABLY:
        each = f"{money(plan.amount)} a month"
        table.add_row(f"Ably {plan.name}", each, "read", PRICES["ably-message"].page)
    _console().print(table)


def markdown(sizes: Sequence[float]) -> str:
    """Return the tables of docs/scaling.md: the defaults for some numbers of users."""
    columns = ("users", "a month", "per million notifications", "per million connection-minutes",
               "the deployment itself")  # fmt: skip
    totals = [f"| {' | '.join(columns)} |", "|---:" * len(columns) + "|"]
    beside = [
        "| users | " + " | ".join(p.name.split()[0].rstrip(":") for p in peers(Inputs())) + " |"
    ]
    beside.append("|---:" * 6 + "|")
    for users in sizes:
        given = replace(Inputs(), users=users)
        total, *parts = summary(given)
        totals.append(f"| {users:,.0f} | " + " | ".join(map(money, (total, *parts))) + " |")
        beside.append(
            f"| {users:,.0f} | " + " | ".join(money(p.total) for p in peers(given)) + " |"
        )
    services: dict[str, float] = {}
    given = replace(Inputs(), users=sizes[-1])
    for line in bill(given):
        services[line.service] = services.get(line.service, 0) + line.amount
    parts_of = [f"| service | dollars a month, {sizes[-1]:,.0f} users | share |", "|---|---:|---:|"]
    whole = sum(services.values())
    for service, amount in sorted(services.items(), key=lambda item: -item[1]):
        parts_of.append(f"| {service} | {money(amount)} | {amount / whole:.1%} |")
    return "\n\n".join("\n".join(rows) for rows in (totals, parts_of, beside))


if __name__ == "__main__":
    sys.exit(main())
