"""What crosses the border between a plugin and the host, as plain Python."""

from dataclasses import dataclass, field
from typing import Any


class _Absent:
    """No statement at all about a field; never the same as null."""

    def __repr__(self):
        return "ABSENT"

    def __bool__(self):
        return False


ABSENT = _Absent()


@dataclass
class Field:
    """One field of a stream. `logical` is a logical type of the contract: `int64`, `text`, `decimal(18,2)`, `timestamp`, …"""

    name: str
    logical: str
    nullable: bool = True
    properties: dict = field(default_factory=dict)


@dataclass
class Stream:
    """A named collection of records. Properties: `modified`, `write` (`upsert,delete`), `comment`, …"""

    name: str
    key: list
    fields: list
    properties: dict = field(default_factory=dict)


@dataclass
class ReadRequest:
    """What the host wants to read. `cursor` is what the last `Checkpoint` held, or None for the beginning."""

    stream: str
    key: list
    fields: list
    mode: str
    cursor: Any
    options: dict

    @property
    def incremental(self):
        """Whether only what changed since the cursor is wanted."""
        return self.mode == "incremental"


@dataclass
class Page:
    """A page of a reading. Rows are dicts; `deleted` are the positions of rows that tell of a delete."""

    rows: list
    status: str
    cursor: bytes = b""
    rejected: list = field(default_factory=list)
    deleted: set = field(default_factory=set)


@dataclass
class WriteRequest:
    """How a stream is to be written: `upsert`, `load`, `insert` or `update`."""

    stream: Stream
    mode: str
    options: dict


@dataclass
class Prepared:
    """The target as it now is, and what was done to get there."""

    stream: Stream
    actions: list = field(default_factory=list)


@dataclass
class Row:
    """A row to be written, and what becomes of it: fine, until something else is said.

    `values` has the fields the row says something about. `expected` (in mode `update`) has what fields must still be.
    """

    kind: str
    values: dict
    expected: dict = field(default_factory=dict)
    status: int = 0
    error: Any = None
    id: Any = None

    def conflict(self, error):
        """The record is not as it was expected to be, and was left alone."""
        self.status, self.error = 1, error

    def reject(self, error):
        """The row cannot be written as it is."""
        self.status, self.error = 2, error

    def retry(self, error):
        """Nothing was done; it may work later."""
        self.status, self.error = 3, error

    def unknown(self, error):
        """Nobody knows whether it was done."""
        self.status, self.error = 4, error

    def inserted(self, *key):
        """The key under which the row was inserted (mode `insert`), as texts in the order of the stream's key."""
        self.id = [str(part) for part in key]
