"""A plugin without a host: for tests that run in any Python."""

import json

from . import capabilities
from .batches import read as rows_of
from .capabilities import Entry, Response
from .errors import PluginError
from .reading import Reading
from .types import ReadRequest, WriteRequest


class Files:
    """Files in a dict: alias, path, content."""

    def __init__(self, **aliases):
        self.aliases = aliases

    def _folder(self, alias):
        if alias not in self.aliases:
            raise PluginError("config", f"the connection grants no `files` under the alias `{alias}`")
        return self.aliases[alias]

    def list(self, alias):
        return [Entry(path, len(data), 0) for path, data in sorted(self._folder(alias).items())]

    def open(self, alias, path):
        if path not in self._folder(alias):
            raise PluginError("not-found", f"there is no file `{path}`")
        return _File(self._folder(alias)[path])

    def write(self, alias, path, data):
        self._folder(alias)[path] = data


class _File:
    def __init__(self, data):
        self.data = data

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def read(self, offset, length):
        return self.data[offset:offset + length]

    def digest(self):
        import hashlib

        return hashlib.sha256(self.data).digest()


class Http:
    """Answers from a function of (method, target, body): a Response, a pair of status and JSON, or a PluginError."""

    def __init__(self, answer):
        self.answer, self.requests = answer, []

    def send(self, alias, requests):
        answers = []
        for method, target, headers, body, options in requests:
            self.requests.append((method, target, headers, body, options))
            answer = self.answer(method, target, body)
            if isinstance(answer, tuple):
                answer = Response(answer[0], {"content-type": "application/json"}, json.dumps(answer[1]).encode())
            answers.append(answer)
        return answers


def provide(**said):
    """Puts these in the place of the host: `files=Files(data={…})`, `http=Http(…)`."""
    capabilities.provide(**said)


def request(source, name, *, mode="full", cursor=None, fields=None, options=None):
    """The request the host would send for a stream."""
    stream = next((stream for stream in source.discover([name]) if stream.name == name), None)
    if stream is None:
        raise LookupError(f"there is no stream `{name}`")
    wanted = [field for field in stream.fields if fields is None or field.name in fields]
    return ReadRequest(name, stream.key, wanted, mode, cursor, dict(options or {}))


def pages(plugin, name, *, config=None, rows=10_000, **said):
    """The pages of a reading, each with its rows as dicts in `rows`."""
    source = plugin(config or {})
    asked = request(source, name, **said)
    logicals = {field.name: field.logical for field in asked.fields}
    reading = Reading(source, asked)
    while True:
        count, columns, page = reading.next(rows, 4 << 20)
        page.rows, _ = rows_of(columns, count, logicals)
        yield page
        if page.status != "more":
            return


def read(plugin, name, **said):
    """All rows of a stream, as dicts."""
    return [row for page in pages(plugin, name, **said) for row in page.rows]


def write(plugin, name, rows, *, config=None, mode="upsert"):
    """Writes rows and flushes; answers with what was flushed. The rows say what became of them."""
    sink = plugin(config or {})
    writer = sink.open(WriteRequest(sink.describe(name), mode, {}))
    writer.write(rows)
    return writer.flush()
