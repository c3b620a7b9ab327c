"""Rows into columns and back: bitmaps, offsets and buffers are written here and nowhere else."""

from dataclasses import dataclass
from typing import Any

from .types import ABSENT
from .values import decoder, encoder, layout


@dataclass
class Column:
    """A column as it crosses the border; `values` fits `layout`: bytes, a list of numbers, or a pair of offsets and data."""

    name: str
    layout: str
    valid: Any
    present: Any
    values: Any


class Columns:
    """Takes rows and makes columns of these fields."""

    def __init__(self, fields):
        self.fields = [(field.name, field.nullable, layout(field.logical), encoder(field.logical)) for field in fields]
        self.names = {field.name for field in fields}
        self._clear()

    def _clear(self):
        self.rows = 0
        self.bytes = 0
        self.cells = [[] for _ in self.fields]

    def push(self, values, known=frozenset()):
        """Adds a row; one that does not fit leaves no trace and is a ValueError. `known` are fields that nobody asked for."""
        for name in values:
            if name not in self.names and name not in known:
                raise ValueError(f"there is no field `{name}`")
        row, taken = [], 0
        for name, nullable, _, encode in self.fields:
            value = values.get(name, ABSENT)
            if value is None and not nullable:
                raise ValueError(f"field `{name}`: it is never null")
            if value is not ABSENT and value is not None:
                try:
                    value = encode(value)
                except ValueError as error:
                    raise ValueError(f"field `{name}`: {error}") from error
            taken += len(value) + 4 if type(value) is bytes else 8
            row.append(value)
        for cells, value in zip(self.cells, row):
            cells.append(value)
        self.rows += 1
        self.bytes += taken

    def finish(self):
        """The columns; empty afterwards."""
        columns = [_column(name, kind, cells) for (name, _, kind, _), cells in zip(self.fields, self.cells)]
        rows = self.rows
        self._clear()
        return rows, columns


def bitmap(flags):
    """One bit per flag, the least significant first."""
    bits = bytearray((len(flags) + 7) // 8)
    for at, flag in enumerate(flags):
        if flag:
            bits[at >> 3] |= 1 << (at & 7)
    return bytes(bits)


def flags(bits, rows):
    return [bool(bits[at >> 3] >> (at & 7) & 1) for at in range(rows)]


def offsets(parts):
    """Byte strings one behind the other: offsets and data."""
    ends, end = [0], 0
    for part in parts:
        end += len(part)
        ends.append(end)
    return ends, b"".join(parts)


def _column(name, kind, cells):
    absent = any(cell is ABSENT for cell in cells)
    empty = absent or any(cell is None for cell in cells)
    present = bitmap([cell is not ABSENT for cell in cells]) if absent else None
    valid = bitmap([cell is not ABSENT and cell is not None for cell in cells]) if empty else None
    nothing = {"bits": False, "int64": 0, "float64": 0.0, "utf8": b"", "bytes": b""}[kind]
    if empty:
        cells = [nothing if cell is None or cell is ABSENT else cell for cell in cells]
    if kind == "bits":
        cells = bitmap(cells)
    elif kind in ("utf8", "bytes"):
        cells = offsets(cells)
    return Column(name, kind, valid, present, cells)


def read(columns, rows, logicals):
    """The rows of a batch as dicts without their absent fields, and the rows that hold what Python cannot: position and why."""
    result, misfits = [{} for _ in range(rows)], {}
    for column in columns:
        decode = decoder(logicals[column.name])
        for at, value in enumerate(_cells(column, rows)):
            try:
                if value is not ABSENT:
                    result[at][column.name] = None if value is None else decode(value)
            except ValueError as error:
                misfits.setdefault(at, f"field `{column.name}`: {error}")
    return result, misfits


def _cells(column, rows):
    values = column.values
    if column.layout == "bits":
        values = flags(values, rows)
    elif column.layout in ("utf8", "bytes"):
        ends, data = values
        values = [data[ends[at]:ends[at + 1]] for at in range(rows)]
    if column.valid is not None:
        values = [value if valid else None for value, valid in zip(values, flags(column.valid, rows))]
    if column.present is not None:
        values = [value if present else ABSENT for value, present in zip(values, flags(column.present, rows))]
    return values
