"""Keeps Herald's tables out of `alembic revision --autogenerate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    IncludeName = Callable[[str | None, Any, Mapping[Any, str | None]], bool]
    IncludeObject = Callable[[Any, str | None, Any, bool, Any], bool]


class Filters(TypedDict):
    """Two arguments of `context.configure`."""

    include_name: IncludeName
    include_object: IncludeObject


def without_herald(
    schema: str = "herald",
    *,
    include_name: IncludeName | None = None,
    include_object: IncludeObject | None = None,
) -> Filters:
    """Return arguments for `context.configure` that leave out everything in Herald's schema.

    Without them, the next revision of an application beside Herald would drop Herald's tables, or
    create them a second time if their model is part of the application's metadata::

        context.configure(connection=connection, target_metadata=Base.metadata, **without_herald())

    Filters of your own are passed on: an object is included if both agree.
    """

    def name(found: str | None, kind: Any, parents: Mapping[Any, str | None]) -> bool:
        if schema in (found if kind == "schema" else None, parents.get("schema_name")):
            return False
        return include_name is None or include_name(found, kind, parents)

    def thing(found: Any, label: str | None, kind: Any, reflected: bool, other: Any) -> bool:
        table = found if kind == "table" else getattr(found, "table", None)
        if getattr(table, "schema", None) == schema:
            return False
        return include_object is None or include_object(found, label, kind, reflected, other)

    return {"include_name": name, "include_object": thing}
