"""What the host can do for a plugin. What `plugin.toml` does not ask for is not there.

In a component the host stands behind these; in tests `lockstep.testing` does.
"""

import json
from dataclasses import dataclass

from .errors import PluginError

_offered = {}


def provide(**capabilities):
    """Called once by what starts the plugin, in a component and in tests."""
    _offered.update(capabilities)


def _host(name):
    if name not in _offered:
        raise PluginError("config", f"the capability `{name}` is not asked for", hint=f'add "{name}" to capabilities in plugin.toml')
    return _offered[name]


@dataclass
class Entry:
    """A file: its path below the root, its size, and when it was modified (microseconds since 1970 in UTC)."""

    path: str
    size: int
    modified_at: int


class _Files:
    """Files below the folder that the project grants under an alias."""

    def list(self, alias):
        """All files, sorted by path."""
        return [Entry(entry.path, entry.size, entry.modified_at) for entry in _host("files").list(alias)]

    def read(self, alias, path):
        """A whole file."""
        return b"".join(self.chunks(alias, path))

    def chunks(self, alias, path, size=1 << 20):
        """A file piece by piece, as it was when it was opened."""
        with _host("files").open(alias, path) as file:
            at = 0
            while chunk := file.read(at, size):
                yield bytes(chunk)
                at += len(chunk)

    def digest(self, alias, path):
        """A digest of a whole file, computed by the host."""
        with _host("files").open(alias, path) as file:
            return bytes(file.digest())

    def write(self, alias, path, data):
        """Writes a file that appears under its name whole."""
        _host("files").write(alias, path, data)


@dataclass
class Response:
    """An answer. `headers` has lower-case names."""

    status: int
    headers: dict
    body: bytes

    @property
    def ok(self):
        return 200 <= self.status < 300

    @property
    def beginning(self):
        """Enough of the body to recognise it."""
        return self.body[:200].decode(errors="replace")

    def value(self):
        """The body of a success as JSON; anything else is the error it means."""
        if not self.ok:
            raise self.failure()
        return self.json()

    def failure(self):
        """The error that a status which is no success means, in the words of the service where it has any."""
        try:
            words = _words(json.loads(self.body.decode()))
        except (ValueError, RecursionError):
            words = ""
        message = f"the service answered {self.status}" + (f": {words}" if words else "")
        after = self.headers.get("retry-after", "")
        used_up = self.headers.get("x-ratelimit-remaining") == "0"
        said = {"code": f"http.{self.status}", "status": self.status, "detail": self.beginning}
        if self.status == 429 or (self.status == 403 and (used_up or after)):
            pause = int(after) if after.isdigit() and int(after) > 0 else 60
            return PluginError("rate-limited", message, retry_after_ms=pause * 1000, **said)
        return PluginError(_KINDS.get(self.status, "transient" if self.status >= 500 else "auth" if self.status < 400 else "permanent"), message, **said)

    def json(self):
        """The body as JSON; what is none is an error of kind `permanent` that shows how it begins."""
        try:
            # As text: of bytes, `json` would guess another encoding, whose codec is not in the component.
            return json.loads(self.body.decode().removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:
            begin = self.body[:200].decode(errors="replace")
            raise PluginError("permanent", f"the answer is no JSON: {error}", code="http.json", detail=begin) from error


_KINDS = {401: "auth", 403: "auth", 407: "auth", 404: "not-found", 409: "conflict", 412: "conflict", 428: "conflict", 410: "stale-cursor", 501: "permanent"}


def _words(said):
    """Where services say what is wrong: as a text, in an object, or in a list of these."""
    if isinstance(said, str):
        return " ".join(said.split()).rstrip(".")[:500]
    if isinstance(said, list):
        return "; ".join(filter(None, map(_words, said)))
    if isinstance(said, dict):
        first = next(filter(None, (_words(said.get(name)) for name in ("message", "detail", "error_description", "title", "error"))), "")
        return "; ".join(filter(None, (first, _words(said.get("errors")))))
    return ""


class _Http:
    """Requests to the origin that the project grants under an alias. The host adds credentials, keeps the pace and repeats."""

    def request(self, method, target, *, json=None, body=None, headers=None, alias="api", **options):
        """One request. Every status but 408, 429, 502, 503 and 504 is an answer; those, and no answer, are a PluginError."""
        answer = self.send([(method, target, json, body, headers, options)], alias=alias)[0]
        if isinstance(answer, PluginError):
            raise answer
        return answer

    def get(self, target, **said):
        return self.request("GET", target, **said)

    def send(self, requests, *, alias="api"):
        """Several requests side by side: for each (method, target, json, body, headers, options) a Response or a PluginError."""
        return _host("http").send(alias, [_request(*request) for request in requests])


def _request(method, target, content=None, body=None, headers=None, options=None):
    headers = {name.lower(): value for name, value in (headers or {}).items()}
    if content is not None:
        body = json.dumps(content, ensure_ascii=False).encode()
        headers.setdefault("content-type", "application/json")
    options = {name.replace("_", "-"): str(value).lower() if isinstance(value, bool) else value for name, value in (options or {}).items()}
    return method, target, headers, body, options


class _Log:
    """Log lines, bounded by the host."""

    def __getattr__(self, level):
        if level not in ("trace", "debug", "info", "warn", "error"):
            raise AttributeError(level)
        return lambda message, **fields: _host("log").log(level, str(message), {name: str(value) for name, value in fields.items()})


files, http, log = _Files(), _Http(), _Log()
