"""Line charts as SVG, with only the features that the documentation needs."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 44, 54
# the colour-blind-safe palette of Okabe and Ito
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


class Series(NamedTuple):
    """A line with a name. A baseline is `dashed`."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


class Axis(NamedTuple):
    """An axis with its ticks as (value, text). It extends from the first to the last tick."""

    title: str
    ticks: Sequence[tuple[float, str]]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return a value's position from 0 to 1; values outside the axis are clamped."""
        low, high = self.ticks[0][0], self.ticks[-1][0]
        value = min(high, max(low, value))
        if self.logarithmic:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)


def chart(title: str, across: Axis, up: Axis, lines: Sequence[Series]) -> str:
    """Return a chart as the text of an SVG file. The same input always gives the same text."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(value: float) -> str:
        return f"{LEFT + across.place(value) * (right - LEFT):.1f}"

    def y(value: float) -> str:
        return f"{bottom - up.place(value) * (bottom - TOP):.1f}"

    attributes = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {attributes} font-size="12" fill="#333">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 24, title, 'font-size="15" font-weight="bold"'),
    ]
    for value, name in up.ticks:
        parts.append(f'<path d="M{LEFT} {y(value)}H{right}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, float(y(value)) + 4, name, 'text-anchor="end"'))
    for value, name in across.ticks:
        parts.append(f'<path d="M{x(value)} {TOP}V{bottom}" stroke="#eee"/>')
        parts.append(_text(float(x(value)), bottom + 18, name, 'text-anchor="middle"'))
    middle = (TOP + bottom) / 2
    parts.append(_text((LEFT + right) / 2, HEIGHT - 12, across.title, 'text-anchor="middle"'))
    turned = f'text-anchor="middle" transform="rotate(-90 16 {middle:g})"'
    parts.append(_text(16, middle, up.title, turned))
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        style = f'stroke="{colour}" stroke-width="2"'
        style += ' stroke-dasharray="5 4"' if line.dashed else ""
        path = " ".join(f"{x(a)},{y(b)}" for a, b in line.points)
        parts.append(f'<polyline points="{path}" fill="none" {style}/>')
        row = TOP + 14 + 22 * number
        parts.append(f'<path d="M{right + 14} {row - 4}h22" {style}/>')
        parts.append(_text(right + 42, row, line.name))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" {more}>{escape(text)}</text>'.replace('" >', '">')
