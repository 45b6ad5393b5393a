"""Generates images. The same seed always gives the same image."""

from __future__ import annotations

import colorsys
import math
import random
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 1024

Colour = tuple[int, int, int]


def paint(seed: str) -> Image.Image:
    """Return an image of SIZE by SIZE pixels for a seed, such as a prompt."""
    chance = random.Random(seed)
    scene = chance.choice([_ridges, _ridges, _currents, _orbits])
    return scene(chance, chance.random())


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG file atomically, so that an incomplete file is never read."""
    partial = path.with_suffix(".part")
    image.save(partial, format="PNG", compress_level=4)
    partial.replace(path)


def _ridges(chance: random.Random, hue: float) -> Image.Image:
    """Draw mountains in haze, under a sun or a moon."""
    night = chance.random() < 0.4
    low = _hsl(hue + chance.uniform(0.04, 0.14), 0.75, 0.36 if night else 0.80)
    high = _hsl(hue - chance.uniform(0.05, 0.2), 0.6, 0.09 if night else 0.52)
    image = _gradient(high, low)
    if night:
        _stars(image, chance, 260)
    centre = (chance.uniform(0.2, 0.8) * SIZE, chance.uniform(0.18, 0.42) * SIZE)
    _glow(image, centre, chance.uniform(60, 110), _hsl(hue + 0.1, 0.9, 0.9))
    layers = chance.randint(5, 7)
    ink = _hsl(hue + chance.uniform(-0.1, 0.05), 0.55, 0.08)
    for layer in range(layers):
        depth = (layer + 1) / layers
        base = SIZE * (0.42 + 0.5 * depth**1.2)
        outline = _outline(chance, base, 150 * (1.15 - depth), roughness=0.45 + 0.2 * depth)
        mask = Image.new("L", (SIZE, SIZE), 0)
        ImageDraw.Draw(mask).polygon([*outline, (SIZE, SIZE), (0, SIZE)], fill=255)
        # Each range of mountains has haze at its lower edge.
        top, foot = _mix(low, ink, depth), _mix(low, ink, max(0.0, depth - 0.28))
        start = max(0, int(min(y for _, y in outline)))
        image.paste(_gradient(top, foot, start), mask=mask.filter(ImageFilter.GaussianBlur(0.8)))
    return image


def _currents(chance: random.Random, hue: float) -> Image.Image:
    """Draw bright lines that follow a slowly changing vector field."""
    image = _gradient(_hsl(hue, 0.6, 0.07), _hsl(hue + 0.08, 0.6, 0.15))
    light = Image.new("RGB", (SIZE, SIZE))
    draw = ImageDraw.Draw(light)
    waves = [
        (chance.uniform(1, 4), chance.uniform(1, 4), chance.uniform(0, math.tau)) for _ in range(4)
    ]
    spread = chance.uniform(0.12, 0.3)
    for _ in range(520):
        x, y = chance.uniform(-60, SIZE), chance.uniform(0, SIZE)
        colour = _hsl(hue + spread * math.sin(x / 300 + y / 400), 0.8, chance.uniform(0.2, 0.55))
        points = []
        for _ in range(chance.randint(30, 90)):
            points.append((x, y))
            angle = sum(
                math.sin(a * x / SIZE * 2 + phase) * math.cos(b * y / SIZE * 2 - phase)
                for a, b, phase in waves
            )
            x += 7 * math.cos(angle)
            y += 7 * math.sin(angle)
        draw.line(points, fill=colour, width=chance.choice([1, 1, 2, 3]), joint="curve")
    soft = light.filter(ImageFilter.GaussianBlur(9))
    return ImageChops.screen(ImageChops.screen(image, soft), ImageChops.screen(soft, light))


def _orbits(chance: random.Random, hue: float) -> Image.Image:
    """Draw a planet with rings and moons."""
    image = _gradient(_hsl(hue + 0.55, 0.5, 0.05), _hsl(hue + 0.45, 0.55, 0.17))
    _stars(image, chance, 340)
    x, y = chance.uniform(0.4, 0.6) * SIZE, chance.uniform(0.42, 0.58) * SIZE
    radius = chance.uniform(170, 250)
    _glow(image, (x, y), radius, _hsl(hue, 0.7, 0.6))
    _sphere(image, (x, y), radius, chance, hue)
    rings = Image.new("RGBA", (SIZE, SIZE))
    draw = ImageDraw.Draw(rings)
    for number in range(chance.randint(7, 14)):
        wide = radius * (1.35 + number * 0.075)
        tall = wide * 0.24
        colour = (*_hsl(hue + 0.06 + number * 0.008, 0.6, 0.72), chance.randint(60, 190))
        draw.ellipse((x - wide, y - tall, x + wide, y + tall), outline=colour, width=5)
    # The rings are behind the upper half of the planet.
    ImageDraw.Draw(rings).chord(
        (x - radius, y - radius, x + radius, y + radius), 180, 360, fill=(0, 0, 0, 0)
    )
    rings = rings.rotate(
        chance.uniform(-28, 28), Image.Resampling.BICUBIC, center=(round(x), round(y))
    )
    image.paste(rings, mask=rings.getchannel("A").filter(ImageFilter.GaussianBlur(0.6)))
    for _ in range(chance.randint(1, 3)):
        place = (chance.uniform(80, SIZE - 80), chance.choice([110, 180, 850, 920]))
        _sphere(image, place, chance.uniform(18, 46), chance, hue + chance.uniform(0.2, 0.5))
    return image


def _sphere(
    image: Image.Image,
    centre: tuple[float, float],
    radius: float,
    chance: random.Random,
    hue: float,
) -> None:
    size = round(radius * 2)
    bands = Image.new("RGB", (1, 24))
    for row in range(24):
        tone = _hsl(hue + chance.uniform(-0.03, 0.05), 0.6, chance.uniform(0.42, 0.66))
        bands.putpixel((0, row), tone)
    ball = bands.resize((size, size), Image.Resampling.BICUBIC)
    # The light comes from the upper left: on a dark background, a bright, blurred disc is shifted
    # in that direction.
    shade = Image.new("L", (size, size), 30)
    lit = (-0.25 * size, -0.25 * size, 0.72 * size, 0.72 * size)
    ImageDraw.Draw(shade).ellipse(lit, fill=255)
    shade = shade.filter(ImageFilter.GaussianBlur(radius * 0.22))
    ball = ImageChops.multiply(ball, Image.merge("RGB", (shade, shade, shade)))
    mask = Image.new("L", (size, size), 0)
    ImageDraw.Draw(mask).ellipse((1, 1, size - 2, size - 2), fill=255)
    corner = (round(centre[0] - radius), round(centre[1] - radius))
    image.paste(ball, corner, mask.filter(ImageFilter.GaussianBlur(0.8)))


def _outline(
    chance: random.Random, base: float, height: float, roughness: float
) -> list[tuple[float, float]]:
    waves = [(octave, chance.uniform(0, math.tau), roughness**octave) for octave in range(7)]
    return [
        (x, base - height * sum(a * math.sin(x / 210 * 1.9**n + p) for n, p, a in waves))
        for x in range(0, SIZE + 4, 4)
    ]


def _stars(image: Image.Image, chance: random.Random, count: int) -> None:
    sky = Image.new("L", (SIZE, SIZE))
    draw = ImageDraw.Draw(sky)
    for _ in range(count):
        x, y, size = chance.uniform(0, SIZE), chance.uniform(0, SIZE), chance.uniform(0.4, 1.7)
        draw.ellipse((x - size, y - size, x + size, y + size), fill=chance.randint(70, 255))
    image.paste((255, 252, 240), mask=sky.filter(ImageFilter.GaussianBlur(0.6)))


def _glow(image: Image.Image, centre: tuple[float, float], radius: float, colour: Colour) -> None:
    x, y = centre
    halo = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(halo).ellipse(
        (x - radius * 1.6, y - radius * 1.6, x + radius * 1.6, y + radius * 1.6), fill=130
    )
    halo = halo.filter(ImageFilter.GaussianBlur(radius * 0.9))
    disc = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(disc).ellipse((x - radius, y - radius, x + radius, y + radius), fill=245)
    mask = ImageChops.lighter(halo, disc.filter(ImageFilter.GaussianBlur(1.2)))
    image.paste(colour, mask=mask)


def _gradient(top: Colour, bottom: Colour, start: int = 0) -> Image.Image:
    """Return a gradient between two colours, from `start` to the lower edge."""
    ramp = Image.linear_gradient("L").resize((SIZE, SIZE - start)) if start < SIZE else None
    mask = Image.new("L", (SIZE, SIZE), 0)
    if ramp is not None:
        mask.paste(ramp, (0, start))
    flat = Image.new("RGB", (SIZE, SIZE), top)
    return Image.composite(Image.new("RGB", (SIZE, SIZE), bottom), flat, mask)


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    r, g, b = (round(x + (y - x) * share) for x, y in zip(first, second, strict=True))
    return r, g, b


def _hsl(hue: float, saturation: float, lightness: float) -> Colour:
    r, g, b = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return round(r * 255), round(g * 255), round(b * 255)
