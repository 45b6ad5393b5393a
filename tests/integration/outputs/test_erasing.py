"""Erasing a user deletes their copies, and those that are being made, and nothing of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli import kept_outputs
from cli.target import Target
from tests.integration.outputs.conftest import USER
from tests.integration.outputs.test_keep import PICTURE, interrupted_after_a_part

if TYPE_CHECKING:
    from tests.integration.outputs.conftest import World

pytestmark = pytest.mark.integration


def test_a_users_copies_are_erased(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    url = world.source.put("/a.png", PICTURE)
    kept, waiting = world.registered(url), world.registered(url)
    assert world.keep(kept)
    unfinished = interrupted_after_a_part(world)
    other = world.registered(url)
    monkeypatch.setattr("tests.integration.outputs.conftest.USER", "bob")
    assert world.keep(other)
    outputs = {"outputs_table": "outputs", "outputs_bucket": "outputs"}
    herald = Target("test", outputs, world.environ)
    assert kept_outputs.erase(herald, USER, [waiting]) == 1
    assert world.uploads() == 0
    assert [key.split("/")[1] for key in world.objects()] == [other]
    for generation in (kept, waiting, unfinished):
        assert world.outputs.read(generation) is None
        assert world.follow(generation)["statusCode"] == 410
    assert world.loaded(other)[0] == PICTURE
    assert kept_outputs.erase(herald, USER, [kept]) == 0


def test_a_deployment_that_keeps_no_outputs_has_nothing_to_erase() -> None:
    assert kept_outputs.erase(Target("test", {}), USER, ["x"]) == 0
