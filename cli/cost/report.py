"""The bill as JSON, as tables on the console, and as the tables of docs/scaling.md."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from cli.console import tables
from cli.cost.bill import bill, summary
from cli.cost.inputs import FULL_CORE_MB, WORK, Inputs
from cli.cost.lines import GROUPS
from cli.cost.peers import peers
from cli.cost.prices import ABLY, CHECKED, PRICES, PUSHER, PUSHER_PAGE, REGION, cost
from cli.cost.volumes import volumes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from cli.cost.lines import Line

_TITLES = {
    "notifications": "With each notification",
    "connections": "With being connected",
    "outputs": "With kept outputs",
    "lookups": "With look-ups at providers",
    "deployment": "The deployment by itself",
}


def as_json(given: Inputs) -> dict[str, Any]:
    """Return the content of the tables, with inputs and volumes, for JSON."""
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
    """Format dollars with cents, or with more digits if the amount is below one cent."""
    if amount is None:
        return "—"
    return f"${amount:,.2f}" if amount >= 0.1 or amount == 0 else f"${amount:.2g}"


def quantity(number: float) -> str:
    """Format a count with four digits; millions are written as M."""
    if number >= 1e6:
        return f"{number / 1e6:,.4g} M"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def print_bill(given: Inputs) -> None:
    """Print the lines of the bill by group, the sums, and the costs of other transports."""
    console = tables()
    lines, total = bill(given), summary(given)
    for group in GROUPS:
        if found := [line for line in lines if line.group == group]:
            console.print(_lines(given, group, found))
    console.print(
        f"A month: {money(total.total)}. Per million notifications"
        f" {money(total.per_million_notifications)}, per million connection-minutes"
        f" {money(total.per_million_minutes)}, the deployment itself {money(total.deployment)}."
    )
    if given.keep_outputs:
        console.print(
            f"Per million results with kept outputs {money(total.per_million_results_kept)}."
        )
    if given.looked_up:
        console.print(f"Per million look-ups {money(total.per_million_lookups)}.")
    console.print()
    console.print(_transports(given))


def _lines(given: Inputs, group: str, lines: list[Line]) -> Table:
    table = _table(_TITLES[group])
    for name in ("service", "what", "a month", "unit", "price", "dollars"):
        table.add_column(name, justify="left" if name in ("service", "what", "unit") else "right")
    for line in lines:
        price = given.prices[line.price]
        each = f"${price.amount:g} / {quantity(price.per)}"
        counted = (line.service, line.what, quantity(line.quantity), price.unit)
        table.add_row(*counted, each, money(line.amount))
    table.add_section()
    table.add_row("", "all of these", "", "", "", money(sum(line.amount for line in lines)))
    return table


def _transports(given: Inputs) -> Table:
    table = _table("The transport alone, compared with others")
    for name in ("transport", "a month", "per M notifications", "per M connection-minutes"):
        table.add_column(name, justify="left" if name == "transport" else "right")
    table.add_column("counted")
    for name, *amounts, counted in peers(given):
        table.add_row(name, *(money(amount) for amount in amounts), counted)
    return table


def print_prices() -> None:
    """Print each price with its source."""
    table = _table(f"List prices, {REGION}, {CHECKED}")
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
    tables().print(table)


def _table(title: str) -> Table:
    from rich.table import Table

    return Table(title=title, title_justify="left")


def markdown(sizes: Sequence[float]) -> str:
    """Return the tables of docs/scaling.md, for the default inputs and several numbers of users."""
    bills = [replace(Inputs(), users=users) for users in sizes]
    rows = (_totals(bills), _services(bills[-1]), _compared(bills))
    return "\n\n".join("\n".join(table) for table in rows)


LOOKED_UP = 0.01  # of the notifications, in the table
SMALL = 0.2  # dollars; smaller items are added up


def kept_table(sizes: Sequence[float]) -> str:
    """Return the monthly costs of kept outputs and of look-ups, and those of a million results by
    item.
    """
    columns = (
        "users",
        "results per month",
        "cost of kept outputs",
        "cost of kept outputs with CloudFront",
        "cost of look-ups for 1% of the results",
        "total per month, without CloudFront",
    )
    rows = [f"| {' | '.join(columns)} |", "|---:" * len(columns) + "|"]
    for size in sizes:
        given = replace(Inputs(), users=size, keep_outputs=True, looked_up=LOOKED_UP)
        lines = bill(given)
        cells = [
            _group_amount(lines, "outputs"),
            _group_amount(bill(replace(given, cloudfront=True)), "outputs"),
            _group_amount(lines, "lookups"),
            summary(given, lines).total,
        ]
        results = quantity(volumes(given).kept)
        rows.append(f"| {size:,} | {results} | {' | '.join(map(money, cells))} |")
    return "\n".join([*rows, "", *_kept_items()])


def _kept_items() -> list[str]:
    """Return the cost of a million results with the default inputs, by item."""
    given = replace(Inputs(), users=10_000, notifications=100, keep_outputs=True)
    rows = ["| item | amount for a million results | unit | dollars |", "|---|---:|---|---:|"]
    lines = [line for line in bill(given) if line.group == "outputs"]
    small = sum(line.amount for line in lines if line.amount < SMALL)
    for line in sorted(lines, key=lambda line: -line.amount):
        if line.amount >= SMALL:
            item, unit = f"{line.service}: {line.what}", given.prices[line.price].unit
            rows.append(f"| {item} | {quantity(line.quantity)} | {unit} | {money(line.amount)} |")
    return [*rows, f"| all other items | | | {money(small)} |"]


def _group_amount(lines: Sequence[Line], group: str) -> float:
    return sum(line.amount for line in lines if line.group == group)


MEMORY_SIZES = (128, 256, 512, 1024, FULL_CORE_MB)


def memory_table() -> str:
    """Return the cost of a million calls and their duration, by function and memory size."""
    sizes = " | ".join(f"{size:,} MB: duration, cost" for size in MEMORY_SIZES)
    rows = [
        f"| function | CPU time of a call | {sizes} | size with the lowest cost times duration |"
    ]
    rows.append("|---|---:" + "|---:" * (len(MEMORY_SIZES) + 1) + "|")
    for name, work in WORK.items():
        cells, products = [], {}
        for size in MEMORY_SIZES:
            milliseconds = work.milliseconds(size)
            amount = _call_amount(size, milliseconds)
            products[size] = amount * milliseconds
            cells.append(f"{milliseconds:.1f} ms, ${amount:.2f}")
        least = min(products, key=lambda size: products[size])
        row = (f"`{name}`", f"{work.cpu:.2f} ms", *cells, f"{least:,} MB")
        rows.append(f"| {' | '.join(row)} |")
    return "\n".join(rows)


def _call_amount(size: float, milliseconds: float) -> float:
    """Return the dollars of a million warm calls on arm64, with their requests."""
    gigabyte_seconds = 1e6 * size / 1024 * milliseconds / 1000
    prices = dict(PRICES)
    time = cost(prices, "lambda-gb-second-arm", gigabyte_seconds)
    return time + cost(prices, "lambda-request", 1e6)


def _totals(bills: Sequence[Inputs]) -> list[str]:
    columns = (
        "users",
        "total per month",
        "per million notifications",
        "per million connection-minutes",
        "fixed cost per month",
    )
    rows = [f"| {' | '.join(columns)} |", "|---:" * len(columns) + "|"]
    for given in bills:
        rows.append(f"| {given.users:,.0f} | " + " | ".join(map(money, summary(given)[:4])) + " |")
    return rows


def _services(given: Inputs) -> list[str]:
    services: dict[str, float] = {}
    for line in bill(given):
        services[line.service] = services.get(line.service, 0) + line.amount
    rows = [f"| service | dollars per month, {given.users:,.0f} users | share |", "|---|---:|---:|"]
    whole = sum(services.values())
    for service, amount in sorted(services.items(), key=lambda item: -item[1]):
        rows.append(f"| {service} | {money(amount)} | {amount / whole:.1%} |")
    return rows


def _compared(bills: Sequence[Inputs]) -> list[str]:
    names = [peer.name.split()[0].rstrip(":") for peer in peers(Inputs())]
    rows = [
        "| connected users: cost per month | " + " | ".join(names) + " |",
        "|---:" * (len(names) + 1) + "|",
    ]
    for given in bills:
        totals = " | ".join(money(peer.total) for peer in peers(given))
        rows.append(f"| {given.users:,.0f} | {totals} |")
    return rows
