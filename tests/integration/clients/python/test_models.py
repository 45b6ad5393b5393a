"""The model fits Herald's table, and Alembic leaves Herald's tables alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from alembic.config import main
from sqlalchemy import create_engine, inspect, make_url

from herald_client.server.models import Generation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

pytestmark = pytest.mark.integration

MODELS = """
import uuid
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from herald_client.server.models import Generation, HeraldBase

class Base(DeclarativeBase):
    pass

class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    generation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Generation.id))
"""

ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine
from herald_client.server.autogenerate import without_herald
from shop_models import Base, HeraldBase

given = context.get_x_argument(as_dictionary=True)
filters = without_herald() if given["filtered"] == "True" else {}
engine = create_engine(given["url"])
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=[Base.metadata, HeraldBase.metadata],
        include_schemas=given["schemas"] == "True",
        **filters,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""

TEMPLATE = """
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

def upgrade():
    ${upgrades if upgrades else "pass"}

def downgrade():
    ${downgrades if downgrades else "pass"}
"""


@pytest.fixture
def url(fresh_database: str) -> str:
    driver = make_url(fresh_database).set(drivername="postgresql+psycopg2")
    return driver.render_as_string(hide_password=False)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    found = create_engine(url)
    yield found
    found.dispose()


class Application:
    """An application with Alembic, beside Herald in one database."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        versions = folder / "migrations" / "versions"
        versions.mkdir(parents=True)
        (folder / "shop_models.py").write_text(MODELS)
        (folder / "migrations" / "env.py").write_text(ENVIRONMENT)
        (folder / "migrations" / "script.py.mako").write_text(TEMPLATE)
        (folder / "alembic.ini").write_text(
            "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n"
        )
        self._versions = versions

    def alembic(self, *arguments: str, filtered: bool = True, schemas: bool = True) -> None:
        """Run the command `alembic`, in this process to save time."""
        given = {"url": self._url, "filtered": filtered, "schemas": schemas}
        options = [part for name, value in given.items() for part in ("-x", f"{name}={value}")]
        main(["-c", str(self._folder / "alembic.ini"), *options, *arguments])

    def upgrade_of(self, revision: str, **options: Any) -> str:
        """Autogenerate a revision, and return its operations."""
        self.alembic("revision", "--autogenerate", "--rev-id", revision, "-m", "x", **options)
        (written,) = self._versions.glob(f"{revision}_*.py")
        upgrade = written.read_text().partition("def upgrade():")[2].partition("def downgrade")[0]
        lines = [line.strip() for line in upgrade.splitlines()]
        return "\n".join(line for line in lines if line and not line.startswith("#"))


@pytest.fixture
def application(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    monkeypatch.syspath_prepend(tmp_path)
    yield Application(tmp_path, url)
    sys.modules.pop("shop_models", None)


@pytest.mark.parametrize("schemas", [True, False])
def test_autogenerate_creates_the_applications_tables_and_leaves_heralds_alone(
    application: Application, schemas: bool
) -> None:
    first = application.upgrade_of("a1", schemas=schemas)
    assert "op.create_table('posts'" in first
    assert "herald.generations.id" in first, "the foreign key refers to Herald's table"
    assert "op.drop" not in first
    assert first.count("op.create_table") == 1

    application.alembic("upgrade", "head", schemas=schemas)
    assert application.upgrade_of("b2", schemas=schemas) == "pass"


def test_without_the_filter_the_next_revision_would_drop_heralds_tables(
    application: Application,
) -> None:
    upgrade = application.upgrade_of("a1", filtered=False)
    assert "op.drop_table('outbox', schema='herald')" in upgrade


def test_the_model_fits_the_table_and_an_application_can_insert_with_it(engine: Engine) -> None:
    found = {each["name"]: each for each in inspect(engine).get_columns("generations", "herald")}
    mapped = {column.name: column for column in Generation.__table__.columns}
    for name, column in mapped.items():
        kind = column.type.compile(engine.dialect)
        assert kind == found[name]["type"].compile(engine.dialect), name
        assert column.nullable == found[name]["nullable"], name
        assert (column.server_default is None) == (found[name]["default"] is None), name
    required = {
        name for name, each in found.items() if not each["nullable"] and not each["default"]
    }
    assert required <= set(mapped), "an insert would fail"
