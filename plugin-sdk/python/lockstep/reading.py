"""A generator of records as pages: filled up to the host's limits, with cursors that lose nothing."""

import json

from .batches import Columns
from .errors import PluginError
from .records import values_of
from .sides import Checkpoint, Deleted, Rejected
from .types import Page


class Reading:
    """Hands on what a source's `read` yields.

    The cursor is JSON: `{"skip": n}` counts records where there are no checkpoints, `{"at": …}` is the last checkpoint. A page
    that ends behind a checkpoint goes on from there, so that some records are told twice and none is left out.
    """

    def __init__(self, source, request):
        position = _position(request.cursor)
        self.at, self.skip = position.get("at"), position.get("skip", 0)
        self.checkpointed = "at" in position
        request.cursor = self.at
        self.request = request
        self.columns = Columns(request.fields)
        self.items = iter(source.read(request))
        self.told = 0
        self.ended = False
        for _ in range(self.skip):
            if next(self.items, None) is None:
                raise PluginError("stale-cursor", "the position is not one of this stream")
            self.told += 1

    def next(self, rows_max, bytes_max):
        """A page and its columns: (rows, columns, page)."""
        page = Page([], "more")
        def taken():
            return self.columns.rows + len(page.rejected)

        # A page holds at least one record, whatever it takes: else a reading would not get on.
        while taken() == 0 or (taken() < rows_max and self.columns.bytes < bytes_max):
            item = next(self.items, self)
            if item is self:
                self.ended = True
                break
            self._take(item, page)
        if self.ended:
            page.status = "caught-up" if self.request.incremental else "enumeration-complete"
        page.cursor = self._cursor()
        rows, columns = self.columns.finish()
        return rows, columns, page

    def _take(self, item, page):
        if isinstance(item, Checkpoint):
            self.at, self.checkpointed = item.cursor, True
            return
        self.told += 1
        if isinstance(item, Rejected):
            page.rejected.append(item)
        elif isinstance(item, Deleted):
            self._push({**item.key}, item, page)
            page.deleted.add(self.columns.rows - 1)
        else:
            self._push(values_of(item), item, page)

    def _push(self, values, item, page):
        # A record tells all its fields; the host asked for some of them.
        asked = self.columns.names
        wanted = {name: value for name, value in values.items() if name in asked}
        try:
            self.columns.push(wanted)
        except ValueError as error:
            if isinstance(item, Deleted):
                raise PluginError("invalid-data", f"a delete cannot be told: {error}") from error
            page.rejected.append(Rejected(f"record {self.told}", repr(values).encode(errors="backslashreplace"), str(error)))

    def _cursor(self):
        # After everything was told the next full reading begins at the beginning.
        if self.ended and not (self.request.incremental and self.checkpointed):
            return b""
        position = {"at": self.at} if self.checkpointed else {"skip": self.told}
        return json.dumps(position, ensure_ascii=False).encode()


def _position(cursor):
    if not cursor:
        return {}
    try:
        # As text: of bytes, `json` would guess another encoding, whose codec is not in the component.
        position = json.loads(bytes(cursor).decode())
    except ValueError:
        position = None
    if not isinstance(position, dict) or not isinstance(position.get("skip", 0), int):
        raise PluginError("stale-cursor", "the position is not one of this plugin")
    return position
