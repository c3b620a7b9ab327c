"""Write Lockstep plugins in Python.

    from lockstep import Source, export, key, record, stream

    @record
    class Greeting:
        id: int = key()
        text: str

    @export
    class Hello(Source):
        def discover(self, names):
            return [stream("greetings", Greeting)]

        def read(self, request):
            yield Greeting(id=1, text="hello")

`plugin.toml` says with `exports` and `capabilities` what the plugin is and needs; `lockstep plugin build` makes the component.
"""

from .capabilities import files, http, log
from .errors import PluginError
from .lists import Since, follow, pages
from .records import Json, field, key, record, stream
from .sides import Checkpoint, Deleted, Flushed, Lookup, Rejected, Sink, Source, Transform, export
from .types import ABSENT, Field, Page, Prepared, ReadRequest, Row, Stream, WriteRequest

__all__ = [
    "ABSENT", "Checkpoint", "Deleted", "Field", "Flushed", "Json", "Lookup", "Page", "PluginError", "Prepared", "ReadRequest",
    "Rejected", "Row", "Since", "Sink", "Source", "Stream", "Transform", "WriteRequest", "export", "field", "files", "follow", "http",
    "key", "log", "pages", "record", "stream",
]
