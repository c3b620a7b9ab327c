"""Lists that come page by page, and what changed since the last time."""

# `strptime` imports it when it is called first: in a component nothing can be imported any more.
import _strptime  # noqa: F401
import datetime
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from .capabilities import http
from .errors import PluginError
from .sides import Checkpoint

# Unless the project says otherwise; times are shown rounded, by some services up.
LOOKBACK_MS = 600_000
ROUNDING_MS = 1000


def pages(target, kind, parameter=None, *, first=None, records=lambda body: body, then=lambda body: None, root="/", **said):
    """The records of each page of a list; a service that leads in a circle, or out of `root`, is an error.

    | kind | what follows a page |
    |---|---|
    | `offset` | `parameter` counts records; the list ends with an empty page |
    | `number` | `parameter` counts pages from `first` (1); the same |
    | `mark` | what `then` finds in a page goes into `parameter`; the list ends where it finds nothing |
    | `link` | what `then` finds in a page is the URL of the next |
    | `header` | the header `Link` says it (`rel="next"`) |

    `records` finds the records in the JSON of a page. Everything else that is said goes to `http.get`.
    """
    count = first if first is not None else {"number": 1}.get(kind, 0)
    begin, asked, shown = target, set(), None
    if kind in ("offset", "number"):
        target = _with(begin, parameter, count)
    while target is not None:
        asked.add(target)
        answer = http.get(target, **said)
        body = answer.value()
        found = records(body)
        if not isinstance(found, list):
            raise PluginError("permanent", "the answer has no list where there should be one", code="http.list", detail=answer.beginning)
        if found and found == shown:
            raise _circle("it shows the same page again")
        shown = found or shown
        yield found
        count += len(found) if kind == "offset" else 1
        target = _next(kind, parameter, begin, target, count, found, then(body), answer, root)
        if target in asked:
            raise _circle("what follows a page was read already")


def _next(kind, parameter, begin, target, count, found, then, answer, root):
    if kind in ("offset", "number"):
        return _with(begin, parameter, count) if found else None
    if kind == "mark":
        return _with(begin, parameter, then) if then not in (None, "") else None
    link = then if kind == "link" else _next_link(answer.headers.get("link", ""))
    return follow(target, link, root) if link else None


def follow(target, link, root="/"):
    """Where a link in the answer to `target` leads. Servers name themselves as they please, so only path and query count."""
    parts = urlsplit(urljoin(target, link))
    path = parts.path or "/"
    below = path == root.rstrip("/") or path.startswith(root.rstrip("/") + "/")
    if parts.scheme not in ("", "http", "https") or not below or ".." in path or "\\" in link or "%2e" in path.lower():
        raise PluginError("permanent", f"the service sends a link that cannot be followed: `{link[:200]}`", code="http.link")
    return path + (f"?{parts.query}" if parts.query else "")


def _with(target, name, value):
    path, _, query = target.partition("?")
    kept = [(key, old) for key, old in parse_qsl(query, keep_blank_values=True) if key != name]
    return path + "?" + "&".join(f"{quote(key, safe='')}={quote(str(old), safe='')}" for key, old in [*kept, (name, value)])


def _next_link(header):
    for part in header.split("<")[1:]:
        link, _, said = part.partition(">")
        names = [value.strip(' ,"').split() for name, _, value in (word.partition("=") for word in said.split(";")) if name.strip().lower() == "rel"]
        if any("next" in words for words in names):
            return link
    return None


def _circle(how):
    return PluginError("permanent", f"the service leads in a circle: {how}", code="http.cycle")


class Since:
    """From when on changes are asked for, and from when on the next time.

        since = Since(request)
        for page in pages(f"/contacts?updated_since={since.start.isoformat()}" if since.start else "/contacts", "offset", "skip"):
            for contact in page:
                since.saw(datetime.datetime.fromisoformat(contact["updated_at"]))
                yield Contact(…)
        yield since.checkpoint()

    A reading begins at the last time, that time included, and some minutes before, for records that become visible late. A time in
    the future is never a position: it would hide everything that is written until then. Yield the checkpoint behind everything.
    """

    def __init__(self, request):
        self.incremental, cursor = request.incremental, request.cursor
        if cursor is not None and not (isinstance(cursor, dict) and isinstance(cursor.get("since"), int)):
            raise PluginError("stale-cursor", "the position is not one of this plugin")
        wished = request.options.get("lookback-ms")
        if wished is not None and not wished.isdigit():
            raise PluginError("config", f"`lookback-ms` is a number of milliseconds, not `{wished}`", code="lookback")
        self.lookback = LOOKBACK_MS if wished is None else max(int(wished), ROUNDING_MS)
        self.since, self.seen, self.clock = cursor["since"] if cursor else None, None, None

    @property
    def start(self):
        """Ask for this time and later; None = for everything."""
        if self.since is None or not self.incremental:
            return None
        return _EPOCH + datetime.timedelta(microseconds=self.since - self.lookback * 1000)

    def heard(self, answer):
        """Takes note of the service's clock, the header `Date`."""
        try:
            clock = datetime.datetime.strptime(answer.headers.get("date", ""), "%a, %d %b %Y %H:%M:%S GMT")
            self.clock = _micros(clock.replace(tzinfo=datetime.timezone.utc))
        except ValueError:
            pass

    def saw(self, time):
        """Takes note of when a record was changed."""
        self.seen = max(_micros(time), self.seen if self.seen is not None else _micros(time))

    def checkpoint(self):
        """The position behind everything."""
        now = self.clock if self.clock is not None else _micros(datetime.datetime.now(datetime.timezone.utc))
        seen = [] if self.seen is None else [min(self.seen, now)]
        known = seen if self.since is None else [*seen, self.since]
        return Checkpoint({"since": max(known)} if known else None)


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def _micros(time):
    return (time - _EPOCH) // datetime.timedelta(microseconds=1)
