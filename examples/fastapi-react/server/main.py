"""The application's API: tokens for its pages, and the generations of its users."""

import logging
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import httpx
from fastapi import Cookie, Depends, FastAPI, Response
from fastapi.responses import PlainTextResponse
from pydantic import AliasGenerator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import select
from sqlalchemy.orm import Session

import provider
import stand_in
from database import Picture, engine
from herald_client.server import Callbacks, mint_token
from herald_client.server.models import Generation
from herald_client.server.submitting import ProviderIdNotStored, submit
from settings import settings

log = logging.getLogger(__name__)
app = FastAPI()
app.mount("/stand-in", stand_in.app)
callbacks = Callbacks(settings.herald_callbacks_url, webhook_secret=settings.herald_webhook_secret)


def current_user(response: Response, user: Annotated[str | None, Cookie()] = None) -> str:
    """Return the visitor's id. Use the user of your own session instead."""
    if user is None:
        user = uuid.uuid4().hex
        response.set_cookie("user", user, httponly=True, samesite="lax", max_age=30 * 86_400)
    return user


def open_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


User = Annotated[str, Depends(current_user)]
Database = Annotated[Session, Depends(open_session)]


class Order(BaseModel):
    """What the page sends."""

    prompt: str = Field(min_length=1, max_length=500)
    style: str = Field(max_length=40)


class Row(BaseModel):
    """What the page shows. Herald's client needs `id`, `status` and `updatedAt`."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(serialization_alias=to_camel), from_attributes=True
    )

    id: uuid.UUID
    style: str = ""
    prompt: str
    status: str
    image_url: str | None
    error: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime


def row(picture: Picture) -> Row:
    return Row.model_validate(picture.generation).model_copy(update={"style": picture.style})


@app.get("/api/token", response_class=PlainTextResponse)
def token(user: User) -> str:
    return mint_token(
        user,
        secret=settings.herald_jwt_secret,
        issuer=settings.herald_jwt_issuer,
        audience=settings.herald_jwt_audience,
    )


@app.get("/api/generations")
def generations(user: User, database: Database) -> list[Row]:
    mine = select(Picture).join(Picture.generation).where(Generation.user_id == user)
    newest = mine.order_by(Generation.created_at.desc()).limit(60)
    return [row(picture) for picture in database.scalars(newest)]


@app.post("/api/generations", status_code=202)
def generate(order: Order, user: User, database: Database) -> Row:
    generation = Generation(user_id=user, prompt=order.prompt, provider="replicate")
    picture = Picture(generation=generation, style=order.style)
    database.add(picture)
    prompt = f"{order.prompt}, {order.style}"
    try:
        submit(database, generation, callbacks, lambda webhook: provider.start(prompt, webhook))
    except (httpx.HTTPError, ProviderIdNotStored):
        # The row is there, and Herald reports how the generation ends.
        log.exception("The call of the provider failed")
    return row(picture)
