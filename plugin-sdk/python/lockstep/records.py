"""Records as dataclasses: annotations become logical types."""

import dataclasses
import types
import typing
from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID

from .types import ABSENT, Field, Stream
from .values import Json, layout

LOGICAL = {
    bool: "bool", int: "int64", float: "float64", Decimal: "decimal", str: "text", bytes: "binary", datetime: "timestamp",
    date: "date", time: "time", UUID: "uuid", Json: "json",
}


def field(*, key=False, modified=False, logical=None, name=None, optional=False, properties=None):
    """A field that says more than its annotation.

    `logical` names the logical type (`decimal(18,2)`, `datetime`), `name` that of the column, `modified` marks the field that
    tells what changed since. An `optional` one is absent (`ABSENT`) unless a record says something about it.
    """
    said = {"key": key, "modified": modified, "logical": logical, "name": name, "properties": properties or {}}
    default = ABSENT if optional else dataclasses.MISSING
    return dataclasses.field(default=default, metadata={"lockstep": said}, kw_only=optional)


def key(**said):
    """A field that identifies the record, alone or with others."""
    return field(key=True, **said)


def record(cls):
    """A class whose annotated fields are the columns of a stream."""
    cls = dataclasses.dataclass(cls)
    hints = typing.get_type_hints(cls)
    cls.__lockstep__ = [_column(cls, part, hints[part.name]) for part in dataclasses.fields(cls)]
    return cls


def _column(cls, part, hint):
    said = part.metadata.get("lockstep", {})
    plain, nullable = _without_none(hint)
    logical = said.get("logical") or LOGICAL.get(plain)
    if logical is None:
        known = ", ".join(known.__name__ for known in LOGICAL)
        raise TypeError(f"{cls.__name__}.{part.name}: {hint} cannot be a field of a record; use one of {known}")
    layout(logical)
    if said.get("key") and nullable:
        raise TypeError(f"{cls.__name__}.{part.name}: a key field is never null")
    column = Field(said.get("name") or part.name, logical, nullable, dict(said.get("properties", {})))
    return part.name, column, bool(said.get("key")), bool(said.get("modified"))


def _without_none(hint):
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        if len(parts) == 1:
            return parts[0], True
    return hint, False


def stream(name, record, **properties):
    """The stream of these records: fields, types, key, and the property `modified`."""
    columns = record.__lockstep__
    said = {part.replace("_", "-"): str(value) for part, value in properties.items()}
    for _, column, _, is_modified in columns:
        if is_modified:
            said.setdefault("modified", column.name)
    fields = [Field(column.name, column.logical, column.nullable, dict(column.properties)) for _, column, _, _ in columns]
    return Stream(name, [column.name for _, column, is_key, _ in columns if is_key], fields, said)


def values_of(item):
    """The values of a record or of a dict, by the names of their columns."""
    if isinstance(item, dict):
        return item
    columns = getattr(type(item), "__lockstep__", None)
    if columns is None:
        raise TypeError(f"{type(item).__name__} is neither a @record nor a dict")
    return {column.name: getattr(item, attribute) for attribute, column, _, _ in columns}
