"""Submits a generation: the row first, then the provider's call; needs the extra `sqlalchemy`."""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import SessionTransactionOrigin

from herald_client.errors import HeraldError
from herald_client.server import reports
from herald_client.server.models import Generation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from herald_client.server.callbacks import Callbacks

_PAUSES = (0.2, 0.8)  # seconds between the attempts to store the provider's id


class Submitted(NamedTuple):
    """A generation whose provider has accepted it."""

    id: uuid.UUID
    provider_id: str | None


class ProviderIdNotStored(HeraldError):
    """The provider has accepted the generation, but its id could not be stored in the row.

    Do not submit it again. A webhook to the generation's own address still finds the row; one to
    the account's address, or a look-up at the provider, does not, so store the id later.
    """

    def __init__(self, generation_id: uuid.UUID, provider_id: str) -> None:
        super().__init__(
            f"The provider accepted generation {generation_id} as {provider_id!r}, but this id"
            " could not be stored. Do not submit the generation again."
        )
        self.generation_id = generation_id
        self.provider_id = provider_id


def was_refused(error: Exception) -> bool:
    """Return whether a failed call certainly started nothing at the provider.

    True for HTTP statuses 400 to 499 except 408, and if no connection could be opened. After any
    other failure, a timeout or a status above 499, the job may run, and its webhook may come.
    """
    status = _status(error)
    if status is None:
        return isinstance(error, (ConnectionRefusedError, socket.gaierror))
    return 400 <= status < 500 and status != 408


def submit(
    session: Session,
    generation: Generation,
    callbacks: Callbacks,
    call: Callable[[str], str | None],
    *,
    refused: Callable[[Exception], bool] = was_refused,
) -> Submitted:
    """Insert a generation, call its provider, and store the provider's id.

    The row is committed before the call, because fast providers report before a row that is
    inserted later. Other changes of the session are committed with it. No transaction is open
    during the call.

    If the call raises an exception, so does this function. If the provider certainly refused the
    generation, it first ends as ERROR through Herald, which notifies all pages of the user.
    Otherwise the job may run, and the row stays PENDING for its webhook. The exception has a note
    that says which.

    Parameters
    ----------
    session
        Not inside `with session.begin()`, because it is committed.
    generation
        A new row with its `provider`. If its id is already in the database, the provider is not
        called: an id that the page chose makes a repeated request harmless.
    call
        Gets the address for the provider's webhook, calls the provider, and returns the
        provider's id of the job, or None.
    refused
        Whether an exception of `call` means that nothing was started.

    Raises
    ------
    ValueError
        A value is missing or invalid. Nothing was inserted.
    sqlalchemy.exc.SQLAlchemyError
        The row could not be inserted. The provider was not called.
    ProviderIdNotStored
        The provider accepted the generation, but its id could not be stored.
    """
    url = _prepare(session, generation, callbacks)
    generation_id = generation.id
    session.add(generation)
    session.commit()
    try:
        provider_id = call(url)
    except Exception as exc:
        if not refused(exc):
            _note_open(exc, generation_id)
        else:
            _end(callbacks, generation_id, exc)
        raise
    if provider_id is not None:
        for pause in (*_PAUSES, None):
            if _stored(session, generation_id, provider_id, last=pause is None):
                break
            time.sleep(pause or 0)
    return Submitted(generation_id, provider_id)


async def submit_async(
    session: AsyncSession,
    generation: Generation,
    callbacks: Callbacks,
    call: Callable[[str], Awaitable[str | None]],
    *,
    refused: Callable[[Exception], bool] = was_refused,
) -> Submitted:
    """Do the same as `submit`, with an asynchronous session and call."""
    url = await session.run_sync(_prepare, generation, callbacks)
    generation_id = generation.id
    session.add(generation)
    await session.commit()
    try:
        provider_id = await call(url)
    except Exception as exc:
        if not refused(exc):
            _note_open(exc, generation_id)
        else:
            await asyncio.to_thread(_end, callbacks, generation_id, exc)
        raise
    if provider_id is not None:
        for pause in (*_PAUSES, None):
            last = pause is None
            if await session.run_sync(_stored, generation_id, provider_id, last=last):
                break
            await asyncio.sleep(pause or 0)
    return Submitted(generation_id, provider_id)


def _prepare(session: Session, generation: Generation, callbacks: Callbacks) -> str:
    """Return the address for the provider; raises ValueError before anything is changed."""
    transaction = session.get_transaction()
    if transaction and transaction.origin is not SessionTransactionOrigin.AUTOBEGIN:
        raise ValueError("session: submit commits, so call it outside of `with session.begin()`")
    if not generation.provider:
        raise ValueError("generation.provider: must be set")
    reports.signing_key(callbacks)
    generation.id = generation.id or uuid.uuid4()
    return callbacks.callback_url(generation.provider, generation.id)


def _stored(session: Session, generation_id: uuid.UUID, provider_id: str, *, last: bool) -> bool:
    """Store the provider's id, unless a webhook has already stored it.

    Returns False if another attempt may succeed. Raises ProviderIdNotStored.
    """
    row = update(Generation).where(Generation.id == generation_id)
    row = row.where(Generation.provider_id.is_(None)).values(provider_id=provider_id)
    try:
        session.execute(row)
        session.commit()
    except DBAPIError as exc:
        session.rollback()
        if exc.connection_invalidated and not last:
            return False
        raise ProviderIdNotStored(generation_id, provider_id) from exc
    return True


def _end(callbacks: Callbacks, generation_id: uuid.UUID, error: Exception) -> None:
    """End a generation that the provider refused; a failure of this is only noted."""
    status = _status(error)
    code = {400: "invalid_input", 422: "invalid_input", 429: "out_of_capacity"}.get(status or 0)
    said = f" (HTTP status {status})" if status else ""
    message = f"The provider did not accept the request{said}."
    try:
        reports.report_failure(
            callbacks, generation_id, code=code or "generation_failed", message=message
        )
    except reports.NotReported as exc:
        error.add_note(
            f"Generation {generation_id} stays PENDING, because its refusal was not reported: {exc}"
        )
    else:
        error.add_note(
            f"Generation {generation_id} was set to ERROR, because the provider refused it."
        )


def _note_open(error: Exception, generation_id: uuid.UUID) -> None:
    error.add_note(
        f"Generation {generation_id} stays PENDING: the provider may have started it, and its"
        " webhook may still come."
    )


def _status(error: Exception) -> int | None:
    """Return the HTTP status of an exception of httpx, requests, aiohttp or a provider's SDK."""
    for source in (error, getattr(error, "response", None)):
        for name in ("status_code", "status"):
            value = getattr(source, name, None)
            if isinstance(value, int):
                return value
    return None
