"""The package without a host. Run: PYTHONPATH=plugin-sdk/python python3 -m unittest discover -s plugin-sdk/python/tests"""

import unittest
from datetime import date, datetime, time, timezone
from decimal import Decimal
from uuid import UUID

from lockstep import ABSENT, Checkpoint, Deleted, Json, PluginError, Rejected, Source, field, key, record, stream, testing
from lockstep.batches import Columns, read
from lockstep.errors import of
from lockstep.types import Field
from lockstep.values import encoder


@record
class Contact:
    id: int = key()
    name: str | None
    changed: datetime = field(modified=True)
    credit: Decimal = field(logical="decimal(10,2)")
    note: str = field(optional=True)


NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def contact(number, **said):
    return Contact(id=number, name=said.pop("name", "Ann"), changed=NOON, credit=Decimal("1.5"), **said)


class Numbers(Source):
    def discover(self, names):
        return [stream("contacts", Contact)]

    def read(self, request):
        for number in range(request.cursor or 0, self.config.get("count", 5)):
            yield contact(number)
            if self.config.get("step") and (number + 1) % self.config["step"] == 0:
                yield Checkpoint(number + 1)


class Records(unittest.TestCase):
    def test_annotations_are_types(self):
        told = stream("contacts", Contact, write="upsert")
        self.assertEqual([(f.name, f.logical, f.nullable) for f in told.fields][:4], [
            ("id", "int64", False), ("name", "text", True), ("changed", "timestamp", False), ("credit", "decimal(10,2)", False),
        ])
        self.assertEqual((told.key, told.properties), (["id"], {"write": "upsert", "modified": "changed"}))
        with self.assertRaisesRegex(TypeError, "cannot be a field"):
            record(type("Bad", (), {"__annotations__": {"x": complex}}))

    def test_values_come_back_as_they_were(self):
        values = {
            "bool": [True, False], "int64": [-(1 << 63), (1 << 63) - 1], "float64": [0.1, -0.0], "text": ["", "ünï€😀"],
            "json": [Json('{"a": 1e400}')], "binary": [b"\0\xff"], "uuid": [UUID(int=7)], "date": [date(1, 1, 1), float("inf")],
            "timestamp": [NOON, float("-inf")], "datetime": [datetime(9999, 12, 31, 23, 59, 59, 999999)], "time": [time(23, 59, 59, 1)],
            "decimal(18,4)": [Decimal("-12345678901234.5678")], "decimal(30,2)": [Decimal("1234567890123456789012345678.90")],
            "decimal": [Decimal("0.1000")],
        }
        for logical, some in values.items():
            some = [*some, None, ABSENT]
            columns = Columns([Field("x", logical)])
            for value in some:
                columns.push({"x": value})
            rows, made = columns.finish()
            back, misfits = read(made, rows, {"x": logical})
            self.assertEqual(back, [{"x": value} for value in some[:-1]] + [{}], logical)
            self.assertFalse(misfits)

    def test_what_does_not_fit_is_never_rounded(self):
        for logical, value in [
            ("int64", 1 << 63), ("int64", True), ("int64", 1.0), ("text", "\ud800"), ("text", 7), ("decimal(4,2)", Decimal("12.345")),
            ("decimal(4,2)", Decimal("123")), ("decimal", Decimal("NaN")), ("decimal", Decimal("1e999999")), ("decimal", 0.1),
            ("timestamp", datetime(2026, 1, 1)), ("datetime", NOON), ("date", NOON), ("float64", (1 << 53) + 1), ("binary", "text"), ("uuid", "x"),
        ]:
            with self.assertRaises(ValueError, msg=f"{logical} {value!r}"):
                encoder(logical)(value)

    def test_times_python_cannot_hold_are_told(self):
        columns = Columns([Field("x", "int64")])
        columns.push({"x": (1 << 62)})
        rows, made = columns.finish()
        back, misfits = read(made, rows, {"x": "timestamp"})
        self.assertEqual((back, list(misfits)), ([{}], [0]))


class Pages(unittest.TestCase):
    def test_a_reading_goes_on_at_every_page(self):
        for step in (0, 2):
            config, all_rows = {"count": 5, "step": step}, testing.read(Numbers, "contacts", config={"count": 5})
            for rows in (1, 2, 3, 5, 9):
                for page in testing.pages(Numbers, "contacts", config=config, rows=rows):
                    if page.status != "more":
                        continue
                    rest = testing.read(Numbers, "contacts", config=config, cursor=page.cursor)
                    seen = page.rows[-1]["id"]
                    self.assertTrue({row["id"] for row in rest} >= set(range(seen + 1, 5)), (step, rows, page.cursor))
            self.assertEqual(len(all_rows), 5)

    def test_the_last_page_says_what_it_was(self):
        last = list(testing.pages(Numbers, "contacts", config={"count": 4, "step": 2}))[-1]
        self.assertEqual((last.status, last.cursor), ("enumeration-complete", b""))
        last = list(testing.pages(Numbers, "contacts", config={"count": 4, "step": 2}, mode="incremental"))[-1]
        self.assertEqual((last.status, last.cursor), ("caught-up", b'{"at": 4}'))
        last = list(testing.pages(Numbers, "contacts", config={"count": 4, "step": 2}, mode="incremental", cursor=last.cursor))[-1]
        self.assertEqual((last.status, last.rows), ("caught-up", []))

    def test_nonsense_cursors_are_stale(self):
        for cursor in (b"x", b"[]", b'{"skip": "1"}', b'{"skip": 99}'):
            with self.assertRaises(PluginError) as caught:
                testing.read(Numbers, "contacts", cursor=cursor)
            self.assertEqual(caught.exception.kind, "stale-cursor")

    def test_records_that_do_not_fit_are_put_aside(self):
        class Odd(Numbers):
            def read(self, request):
                yield contact(1)
                yield contact(2, name="\ud800")
                yield Rejected("line 3", b"raw", "no contact")
                yield Deleted(id=4)

        page = next(testing.pages(Odd, "contacts", fields=["id", "name"]))
        self.assertEqual([row["id"] for row in page.rows], [1, 4])
        self.assertEqual(page.deleted, {1})
        self.assertEqual([rejected.position for rejected in page.rejected], ["record 2", "line 3"])

    def test_only_what_was_asked_for_is_told(self):
        self.assertEqual(testing.read(Numbers, "contacts", config={"count": 1}, fields=["name"]), [{"name": "Ann"}])


class Errors(unittest.TestCase):
    def test_a_mistake_says_where_it_was_made(self):
        try:
            {}["x"]
        except KeyError as error:
            found = of(error)
        self.assertEqual((found.kind, found.code), ("other", "python.KeyError"))
        self.assertIn("test_sdk.py", found.message)
        with self.assertRaises(ValueError):
            PluginError("odd", "")

    def test_a_capability_that_was_not_asked_for_is_named(self):
        from lockstep import capabilities, files

        capabilities._offered.clear()
        with self.assertRaises(PluginError) as caught:
            files.list("data")
        self.assertIn("plugin.toml", caught.exception.properties["hint"])
