"""The provider's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageChops, ImageStat

from local.studio import artwork

if TYPE_CHECKING:
    from pathlib import Path


def test_the_seed_alone_decides_the_picture() -> None:
    first, again, other = (artwork.paint(seed) for seed in ("a fox", "a fox", "two cats"))
    assert ImageChops.difference(first, again).getbbox() is None
    assert ImageChops.difference(first, other).getbbox() is not None


@pytest.mark.parametrize("seed", ["a lighthouse", "a harbour", "hello", "paper boats", "", "x"])
def test_a_picture_is_square_and_not_flat(seed: str) -> None:
    image = artwork.paint(seed)
    assert (image.mode, image.size) == ("RGB", (artwork.SIZE, artwork.SIZE))
    assert max(ImageStat.Stat(image).stddev) > 15


def test_a_saved_picture_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    artwork.save(artwork.paint("a fox"), path)
    with Image.open(path) as image:
        image.load()
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]
