"""The Python package against the whole stack: both directions of an integration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import Session

from herald_client import COMPLETE, ERROR, Event, FileStore, sync
from herald_client.server import Callbacks, mint_token
from herald_client.server.models import Generation
from herald_client.server.submitting import submit
from tests.e2e.conftest import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Herald, User

pytestmark = pytest.mark.e2e


@pytest.fixture
def session(herald: Herald) -> Iterator[Session]:
    url = make_url(herald.env["HERALD_DATABASE_URL"]).set(drivername="postgresql+psycopg2")
    engine = create_engine(url)
    with Session(engine) as found:
        yield found
    engine.dispose()


@pytest.fixture
def callbacks(herald: Herald) -> Callbacks:
    keys = json.loads(Path(herald.env["HERALD_PROVIDER_KEYS"]).read_text())
    return Callbacks(
        herald.env["HERALD_CALLBACKS_URL"],
        {"runpod": keys["runpod"]["token_key"]},
        herald.env["HERALD_WEBHOOK_SECRET"],
    )


def client(herald: Herald, user: User, **options: Any) -> sync.Herald:
    """Return a client whose tokens are those of `mint_token`."""

    def token() -> str:
        return mint_token(
            user.name,
            secret=herald.env["HERALD_JWT_SECRET"],
            issuer=herald.env["HERALD_JWT_ISSUER"],
            audience=herald.env["HERALD_JWT_AUDIENCE"],
        )

    return sync.Herald(herald.env["HERALD_WEBSOCKET_URL"], token=token, **options)


def test_a_program_receives_what_it_missed_while_it_was_stopped(
    herald: Herald, alice: User, tmp_path: Path
) -> None:
    store = FileStore(tmp_path / "position.json")
    loads: list[str] = []
    with client(herald, alice, store=store, from_start=True, load=loads.append) as program:
        first = alice.finished()
        event = program.get(SECONDS)
    assert (event.generation, event.type, event.offset) == (first, COMPLETE, 1)
    missed = [alice.finished() for _ in range(3)]
    with client(herald, alice, store=store, load=loads.append) as program:
        again: list[Event] = [program.get(SECONDS) for _ in missed]
        assert [event.generation for event in again] == missed
    assert loads == ["start", "start"]


def test_a_submitted_generation_is_reported_to_its_address_and_a_refused_one_ends(
    herald: Herald, alice: User, session: Session, callbacks: Callbacks
) -> None:
    addresses: list[str] = []

    def accept(url: str) -> str:
        addresses.append(url)
        return "job-1"

    def refuse(url: str) -> str:
        request = httpx.Request("POST", "https://provider.example")
        raise httpx.HTTPStatusError("", request=request, response=httpx.Response(429))

    def generation() -> Generation:
        return Generation(user_id=alice.name, prompt="waves", provider="runpod")

    with client(herald, alice, from_start=True) as program:
        accepted = submit(session, generation(), callbacks, accept)
        image = "https://images.example.com/1.png"
        report = {"id": "job-1", "status": "COMPLETED", "output": {"images": [image]}}
        assert httpx.post(addresses[0], json=report).status_code == 200
        event = program.get(SECONDS)
        assert (event.generation, event.data["imageUrl"]) == (str(accepted.id), image)

        with pytest.raises(httpx.HTTPStatusError) as refused:
            submit(session, generation(), callbacks, refuse)
        event = program.get(SECONDS)
        assert (event.type, event.data["error"]["code"]) == (ERROR, "out_of_capacity")
        assert f"Generation {event.generation} was set to ERROR" in refused.value.__notes__[0]

        forged = f"{addresses[0][:-1]}{'A' if addresses[0][-1] != 'A' else 'B'}"
        assert httpx.post(forged, json=report).status_code == 404
