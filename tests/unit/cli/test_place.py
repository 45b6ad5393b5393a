"""The account and Region of a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli import place
from cli.console import CommandError
from cli.stages import DIRECTORY

if TYPE_CHECKING:
    from pathlib import Path

LINES = {
    "account": 'aws_account_id = "123456789012" # ours\n',
    "region": '  aws_region="eu-central-1"\n',
}


def stage(directory: Path, *lines: str) -> Path:
    file = directory / "dev.tfvars"
    file.write_text("".join(lines))
    return file


def test_a_stage_names_its_account_and_region(tmp_path: Path) -> None:
    file = stage(tmp_path, *LINES.values())
    assert place.read(file) == (file, "123456789012", "eu-central-1")


@pytest.mark.parametrize("name", LINES)
def test_the_error_for_a_missing_account_or_region_shows_the_line_to_add(
    tmp_path: Path, name: str
) -> None:
    others = [line for key, line in LINES.items() if key != name]
    commented = f"# {LINES[name]}"
    with pytest.raises(CommandError, match=rf"infra/envs/dev.tfvars(.|\n)*aws_\w*{name}"):
        place.read(stage(tmp_path, *others, commented))


def test_credentials_of_another_account_are_refused(tmp_path: Path) -> None:
    where = place.read(stage(tmp_path, *LINES.values()))
    where.check("123456789012", "arn:aws:iam::123456789012:user/me")
    with pytest.raises(CommandError, match="Log in to account 123456789012"):
        where.check("210987654321", "arn:aws:iam::210987654321:user/me")


@pytest.mark.parametrize("file", sorted(DIRECTORY.glob("*.tfvars")), ids=lambda file: file.stem)
def test_the_examples_name_theirs(file: Path) -> None:
    assert place.read(file).region
