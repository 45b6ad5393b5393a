"""Plans a stack that is about to start: its database, its ports and its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local import ports
from local.kept import Kept
from local.state import State
from tooling import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from local.choices import Choices
    from local.kept import ProviderKeys


def plan(chosen: Choices, kept_file: Path) -> tuple[State, ProviderKeys]:
    """Return the state of a stack of which nothing runs yet, and the providers' keys.

    Raises
    ------
    SetupError
        The chosen database cannot be used, a chosen port is taken, or the kept file is damaged.
    """
    if chosen.database:
        chosen.database.check()
    kept = Kept.load(kept_file) if chosen.kept else Kept()
    if chosen.port is None:
        kept.ports = ports.drawn(kept.ports)
    else:
        kept.ports = ports.fixed(chosen.port, database=chosen.database is None)
    if chosen.kept:
        kept.save(kept_file)
    state = State(
        ports=kept.ports,
        given=chosen.database,
        api_ids=kept.api_ids,
        database_password=kept.database_password,
        origins=list(chosen.origins or ()),
        provider_apis=dict(chosen.provider_apis or {}),
        secrets={
            "HERALD_WEBHOOK_SECRET": kept.webhook_secret,
            "HERALD_JWT_SECRET": kept.jwt_secret,
            "HERALD_OUTPUTS_KEY": kept.outputs_key,
        },
    )
    return state, kept.provider_keys


def refuse_to_move(state: State, chosen: Choices) -> None:
    """Raise SetupError if other ports or another database are chosen for a running stack."""
    if chosen.port not in (None, state.ports.aws):
        raise SetupError(
            f"PORT: the stack runs on {state.ports.aws}. To move it, run `make down` first, which"
            " deletes its data."
        )
    if chosen.database not in (None, state.given):
        raise SetupError("DATABASE: the stack runs with another database. Run `make down` first.")
