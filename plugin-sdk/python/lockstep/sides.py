"""What a plugin can be: classes to derive from, and `export`, which names the one that is the plugin."""

from dataclasses import dataclass, field
from typing import Any

from .errors import PluginError
from .types import Prepared

_exported = {}


def export(cls):
    """Makes this class the plugin, for every side it derives from."""
    sides = [name for name, side in (("source", Source), ("lookup", Lookup), ("sink", Sink), ("transform", Transform)) if issubclass(cls, side)]
    if not sides:
        raise TypeError(f"{cls.__name__} derives neither from Source nor from Lookup, Sink or Transform")
    for side in sides:
        if side in _exported:
            raise TypeError(f"{cls.__name__} and {_exported[side].__name__} are both exported as {side}")
        _exported[side] = cls
    return cls


def exported(side):
    """The class that was exported as this side."""
    if side not in _exported:
        raise TypeError(f'plugin.toml exports `{side}`, but no class that derives from {side.capitalize()} has @export')
    return _exported[side]


@dataclass
class Checkpoint:
    """Yielded by `Source.read`: everything before this is told. What it holds (anything JSON can say) comes back as the cursor."""

    cursor: Any


@dataclass
class Deleted:
    """Yielded by `Source.read`: the record with this key is gone."""

    key: dict

    def __init__(self, **key):
        self.key = key


@dataclass
class Rejected:
    """Yielded by `Source.read`: what could not become a record, with its place (`line 12`) and its raw form, for a person."""

    position: str
    raw: bytes
    reason: Any


class _Side:
    def __init__(self, config):
        self.config = config


class Source(_Side):
    """A system to read from."""

    def discover(self, names):
        """The streams; those that are not in `names` are left out for you."""
        raise NotImplementedError

    def read(self, request):
        """Yields records, dicts, `Deleted`, `Rejected` and `Checkpoint`.

        Without checkpoints the records must come in the same order each time: a reading that was interrupted skips those that
        were told. With them it begins again at the last one; then records may come twice, which does no harm.
        """
        raise NotImplementedError


class Lookup(_Side):
    """Records by their keys."""

    def lookup(self, request, keys):
        """The records of these keys (dicts), in any order; those that do not exist are left out."""
        raise NotImplementedError


@dataclass
class Flushed:
    """What became durable."""

    written: int = 0
    unchanged: int = 0
    deleted: int = 0
    properties: dict = field(default_factory=dict)


class Sink(_Side):
    """A system to write to. One object is one connection's; `open` makes what is written to."""

    def describe(self, name):
        """The stream as it is; None if it does not exist."""
        raise NotImplementedError

    def prepare(self, wanted, *, evolve, dry_run):
        """Makes the stream able to take the wanted fields. Unless you say more, a stream cannot be made or changed."""
        found = self.describe(wanted.name)
        if found is None:
            raise PluginError("not-found", f"there is no stream `{wanted.name}`, and this plugin makes none")
        known = {field.name for field in found.fields}
        missing = [field.name for field in wanted.fields if field.name not in known]
        if missing:
            raise PluginError("config", f"stream `{wanted.name}` has no field `{missing[0]}`", field=missing[0])
        return Prepared(found)

    def open(self, request):
        """An object with `write(rows)`, which says of each `Row` what became of it, and `flush()`, which answers `Flushed`."""
        raise NotImplementedError


class Transform(_Side):
    """A pure function on records."""

    def describe(self, input):
        """The stream that comes out if `input` goes in."""
        return input

    def apply(self, values):
        """The values of one record as they go on; None for a record that does not; a PluginError for one that cannot."""
        raise NotImplementedError
