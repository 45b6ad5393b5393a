"""Options that several commands use.

Typer reads the annotations at run time, so this module does not postpone their evaluation.
"""

import dataclasses
import re
from pathlib import Path
from typing import Annotated

import typer

from cli.console import UNITS
from cli.stages import stages

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

_WHICH = "Target (default: the stack that `make up` started)"


def duration(text: str) -> int:
    """Parse a duration such as 90s, 10m, 2h or 3d; return seconds."""
    match = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if not match:
        raise typer.BadParameter(f"{text!r} is not a duration: write 90s, 10m, 2h or 3d.")
    return int(match[1]) * UNITS[match[2]]


@dataclasses.dataclass(frozen=True)
class Which:
    """The options that select the deployment of Herald."""

    stage: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A stage on AWS; its Terraform outputs are read from its state.",
            show_default=False,
            autocompletion=stages,
            rich_help_panel=_WHICH,
        ),
    ] = ""
    outputs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file with a stage's `terraform output -json`.",
            rich_help_panel=_WHICH,
        ),
    ] = None
    values: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="One Terraform output, such as queue_url=https://…; may be repeated.",
            show_default=False,
            rich_help_panel=_WHICH,
        ),
    ] = dataclasses.field(default_factory=list)
    stack_env: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The stack.env of a local stack (or HERALD_STACK_ENV).",
            rich_help_panel=_WHICH,
        ),
    ] = None
