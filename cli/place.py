"""The account and Region of a stage, as its .tfvars file names them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from cli.console import CommandError

if TYPE_CHECKING:
    from pathlib import Path


class Place(NamedTuple):
    """The id of a stage's AWS account, and the stage's Region."""

    file: Path
    account: str
    region: str

    def check(self, account: str, caller: str) -> None:
        """Raise CommandError if `caller`'s credentials belong to another account."""
        if account == self.account:
            return
        raise CommandError(
            f"{self.file.name} names account {self.account}, but these credentials belong to"
            f" account {account} ({caller}). Log in to account {self.account},"
            f" or correct aws_account_id in infra/envs/{self.file.name}."
        )


def read(file: Path) -> Place:
    """Read a stage's variables.

    Raises
    ------
    CommandError
        The file does not name the account or the Region; the message shows the line to add.
    """
    return Place(file, _value(file, "aws_account_id"), _value(file, "aws_region"))


_EXAMPLES = {"aws_account_id": "123456789012", "aws_region": "eu-central-1"}


def _value(file: Path, name: str) -> str:
    found = re.search(rf'(?m)^\s*{name}\s*=\s*"([^"]+)"', file.read_text())
    if found:
        return found[1]
    raise CommandError(
        f"infra/envs/{file.name} lacks {name}. Add this line, with your value:"
        f'\n  {name} = "{_EXAMPLES[name]}"'
    )
