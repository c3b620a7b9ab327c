"""Lists by every kind of paging, services that cannot be trusted with them, and what changed."""

import unittest
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

from lockstep import PluginError, Since, follow, http, pages, testing
from lockstep.capabilities import Response

EMPTY = (200, [])


def served(answer):
    fake = testing.Http(lambda method, target, body: answer(target))
    testing.provide(http=fake)
    return fake


def code(listing):
    try:
        return list(listing) and None
    except PluginError as error:
        return error.code


class Lists(unittest.TestCase):
    def test_counted_lists_end_with_an_empty_page(self):
        fake = served(lambda target: {"skip=0": (200, [1, 2]), "skip=2": (200, [3])}.get(target.partition("&")[2], EMPTY))
        self.assertEqual(list(pages("/a?x=%2B", "offset", "skip")), [[1, 2], [3], []])
        self.assertEqual([target for _, target, *_ in fake.requests], ["/a?x=%2B&skip=0", "/a?x=%2B&skip=2", "/a?x=%2B&skip=3"])
        served(lambda target: (200, [target[-1]]) if target[-1] < "3" else EMPTY)
        self.assertEqual(list(pages("/a", "number", "page")), [["1"], ["2"], []])

    def test_marks_and_links_lead_on(self):
        served(lambda target: (200, {"list": [2], "next": None}) if "after=x%2F7" in target else (200, {"list": [1], "next": "x/7"}))
        said = {"records": lambda body: body["list"], "then": lambda body: body["next"]}
        self.assertEqual(list(pages("/a", "mark", "after", **said)), [[1], [2]])
        served(lambda target: (200, {"list": [2], "next": ""}) if target.endswith("p=2") else (200, {"list": [1], "next": "https://inner/v1/a?p=2"}))
        self.assertEqual(list(pages("/v1/a", "link", root="/v1", **said)), [[1], [2]])
        header = '<https://inner/a?b,c>; rel="prev", <?p=2>; title=x; rel="last next"'
        served(lambda target: Response(200, {"link": "" if target.endswith("p=2") else header}, b"[2]" if target.endswith("p=2") else b"[1]"))
        self.assertEqual(list(pages("/a", "header")), [[1], [2]])

    def test_circles_and_links_that_lead_out_are_errors(self):
        same = {"records": lambda body: body, "then": lambda body: "x"}
        served(lambda target: (200, [1]))
        self.assertEqual([code(pages("/a", kind, "p")) for kind in ("offset", "number")], ["http.cycle"] * 2)
        self.assertEqual(code(pages("/a", "mark", "p", **same)), "http.cycle")
        self.assertEqual(code(pages("/a/b", "link", records=lambda body: [], then=lambda body: "/a/b")), "http.cycle")
        for link in ("https://evil.example/x", "/v2/a", "../../x", "javascript:alert(1)", "/v1/%2e%2e/x", "/v1\\..\\x"):
            with self.assertRaises(PluginError, msg=link) as caught:
                follow("/v1/a", link, "/v1")
            self.assertEqual(caught.exception.code, "http.link")

    def test_what_is_no_list_is_an_error(self):
        for answer, kind in [((200, {}), "permanent"), ((401, {}), "auth"), ((500, {}), "transient"), ((404, {}), "not-found"), ((302, {}), "auth")]:
            served(lambda target: answer)
            with self.assertRaises(PluginError) as caught:
                list(pages("/a", "offset", "skip"))
            self.assertEqual(caught.exception.kind, kind, answer)

    def test_services_are_quoted(self):
        for body, words in [
            ({"message": "a."}, ": a"), ({"error": {"message": "a"}}, ": a"), ({"title": "a", "detail": "b"}, ": b"),
            ({"errors": ["a", {"detail": "b"}, 3]}, ": a; b"), ({"message": 3}, ""), ([], ""),
        ]:
            served(lambda target: (422, body))
            self.assertEqual(http.get("/").failure().message, f"the service answered 422{words}")
        for body in (b"\0\xff", b"{\0}\0", b"\xff\xfe{\0}\0"):
            with self.assertRaises(PluginError) as caught:
                Response(200, {}, body).json()
            self.assertEqual(caught.exception.code, "http.json")
        self.assertEqual(Response(200, {}, b"\xef\xbb\xbf[1]").json(), [1])
        limited = Response(403, {"x-ratelimit-remaining": "0", "retry-after": "0"}, b"{}").failure()
        self.assertEqual((limited.kind, limited.retry_after_ms), ("rate-limited", 60_000))


def asked(cursor=None, lookback="0", incremental=True):
    return SimpleNamespace(incremental=incremental, cursor=cursor, options={"lookback-ms": lookback})


NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


class Changes(unittest.TestCase):
    def test_a_reading_begins_at_the_last_time(self):
        since = Since(asked())
        self.assertIsNone(since.start)
        since.saw(NOON)
        since.saw(NOON - timedelta(hours=1))
        cursor = since.checkpoint().cursor
        self.assertEqual(Since(asked(cursor)).start, NOON - timedelta(seconds=1))
        self.assertEqual(Since(asked(cursor, "60000")).start, NOON - timedelta(minutes=1))
        self.assertIsNone(Since(asked(cursor, incremental=False)).start)
        self.assertEqual(Since(asked(cursor)).checkpoint().cursor, cursor, "it never goes back")

    def test_nothing_in_the_future_is_a_position(self):
        since = Since(asked())
        since.saw(datetime(9000, 1, 1, tzinfo=timezone.utc))
        self.assertLess(Since(asked(since.checkpoint().cursor)).start, datetime.now(timezone.utc))
        since.heard(Response(200, {"date": "Fri, 02 Jan 2026 12:00:00 GMT"}, b""))
        since.heard(Response(200, {"date": "soon"}, b""))
        self.assertEqual(Since(asked(since.checkpoint().cursor)).start, NOON - timedelta(seconds=1))

    def test_nonsense_is_told(self):
        for cursor, lookback, kind in [("x", "0", "stale-cursor"), ({"at": 1}, "0", "stale-cursor"), (None, "10m", "config")]:
            with self.assertRaises(PluginError) as caught:
                Since(asked(cursor, lookback))
            self.assertEqual(caught.exception.kind, kind)
