// The package without a host. Run: node --test plugin-sdk/javascript/tests/
import assert from "node:assert/strict";
import test from "node:test";

import { Columns, rowsOf } from "../batches.mjs";
import { Checkpoint, Deleted, PluginError, Rejected, files, plugin, stream } from "../index.mjs";
import { of } from "../errors.mjs";
import { pages, read } from "../testing.mjs";
import * as utf8 from "../utf8.mjs";
import { decoder, encoder } from "../values.mjs";

const contacts = stream("contacts", { id: "int64 key", name: "text?", changed: "timestamp modified", credit: "decimal(10,2)", note: "text" });
const contact = (id, more = {}) => ({ id, name: "Ann", changed: "2026-01-02T12:00:00Z", credit: "1.5", ...more });

const numbers = plugin({
  source: {
    discover: () => [contacts],
    *read({ cursor }, { count = 5, step = 0 }) {
      for (let id = cursor ?? 0; id < count; id += 1) {
        yield contact(id);
        if (step && (id + 1) % step === 0) yield new Checkpoint(id + 1);
      }
    },
  },
});

test("UTF-8 is what everybody takes for it", () => {
  const texts = ["", "plain", "ünï€😀", "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}", "x".repeat(20_000)];
  for (const text of texts) {
    assert.deepEqual(utf8.encode(text), new TextEncoder().encode(text));
    assert.equal(utf8.decode(utf8.encode(text)), text);
  }
  for (const text of ["\ud800", "a\udc00", "\ud800x"]) assert.throws(() => utf8.encode(text), RangeError);
  for (const bytes of [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80], [0xff]]) {
    assert.throws(() => utf8.decode(Uint8Array.from(bytes)), RangeError);
    assert.match(utf8.decode(Uint8Array.from(bytes), true), /^\ufffd+$/);
  }
});

test("fields say what they are in one word or two", () => {
  assert.deepEqual(contacts.key, ["id"]);
  assert.deepEqual(contacts.fields.map(({ logical, nullable }) => [logical, nullable])[1], ["text", true]);
  assert.deepEqual(contacts.properties, { modified: "changed" });
  assert.throws(() => stream("x", { id: "int63" }), /no logical type/);
  assert.throws(() => stream("x", { id: "int64? key" }), /never null/);
  assert.throws(() => plugin({ sauce: {} }), /no side `sauce`/);
});

test("values come back as they were", () => {
  const values = {
    bool: [true, false], int64: [0, -7, 2n ** 63n - 1n, -(2n ** 63n)], float64: [0.1, -0.5], text: ["", "ünï€😀"], json: ["{\"a\":1e400}"],
    binary: [Uint8Array.of(0, 255)], uuid: ["00000000-0000-0000-0000-000000000007"], date: ["0001-01-01", "2024-02-29", "infinity"],
    timestamp: ["2026-01-02T12:00:00.000001Z", "1969-12-31T23:59:59.999999Z", "-infinity"], datetime: ["9999-12-31T23:59:59.999999"],
    time: ["23:59:59.000001"], "decimal(18,4)": ["-12345678901234.5678", "0.0000"], "decimal(30,2)": ["1234567890123456789012345678.90"],
    "decimal(5,0)": ["-12"], decimal: ["0.1000"],
  };
  for (const [logical, some] of Object.entries(values)) {
    const columns = new Columns([{ name: "x", logical, nullable: true }]);
    for (const value of [...some, null, undefined]) columns.push({ x: value });
    const { rows, misfits } = rowsOf(columns.finish(), new Map([["x", logical]]));
    assert.deepEqual(rows, [...some.map((x) => ({ x })), { x: null }, {}], logical);
    assert.equal(misfits.size, 0);
  }
});

test("what does not fit is never rounded", () => {
  const misfits = [
    ["int64", 2 ** 53], ["int64", 2n ** 63n], ["int64", 1.5], ["int64", "1"], ["text", "\ud800"], ["text", 7], ["decimal(4,2)", "12.345"],
    ["decimal(4,2)", "123"], ["decimal", 0.1], ["decimal", "1e3"], ["timestamp", "2026-01-01T00:00:00"], ["timestamp", new Date(NaN)],
    ["datetime", "2026-01-01T00:00:00Z"], ["date", "2026-02-30"], ["time", "24:00:00"], ["bool", 1], ["uuid", "x"], ["binary", "x"], ["float64", "1"],
  ];
  for (const [logical, value] of misfits) assert.throws(() => encoder(logical)(value), RangeError, `${logical} ${value}`);
  assert.equal(encoder("timestamp")("2026-01-01T02:00:00+02:00"), encoder("timestamp")(new Date("2026-01-01T00:00:00Z")));
});

test("integers that were rounded on their way are refused", () => {
  for (const value of [2 ** 53, -(2 ** 60), 2 ** 63]) assert.throws(() => decoder("int64")(value), /exactly/);
  assert.throws(() => decoder("decimal(18,2)")(2 ** 53), /exactly/);
  assert.equal(decoder("timestamp")(2 ** 63), "infinity");
  assert.equal(decoder("int64")(2 ** 53 - 1), 2 ** 53 - 1);
});

test("a reading goes on at every page", () => {
  for (const step of [0, 2]) {
    for (const rows of [1, 2, 3, 5, 9]) {
      for (const page of pages(numbers, "contacts", { config: { step }, rows })) {
        if (page.status !== "more") continue;
        const rest = read(numbers, "contacts", { config: { step }, cursor: page.cursor }).map((row) => row.id);
        for (let id = page.rows.at(-1).id + 1; id < 5; id += 1) assert.ok(rest.includes(id), `${step} ${rows} ${id}`);
      }
    }
  }
});

test("the last page says what it was, and nonsense cursors are stale", () => {
  const whole = [...pages(numbers, "contacts", { config: { count: 4, step: 2 } })].at(-1);
  assert.deepEqual([whole.status, utf8.decode(whole.cursor)], ["enumeration-complete", ""]);
  const last = [...pages(numbers, "contacts", { config: { count: 4, step: 2 }, mode: "incremental" })].at(-1);
  assert.deepEqual([last.status, utf8.decode(last.cursor)], ["caught-up", '{"at":4}']);
  const then = [...pages(numbers, "contacts", { config: { count: 4, step: 2 }, mode: "incremental", cursor: last.cursor })].at(-1);
  assert.deepEqual([then.status, then.rows], ["caught-up", []]);
  for (const cursor of ["x", "[]", '{"skip":"1"}', '{"skip":99}', "null"]) {
    assert.throws(() => read(numbers, "contacts", { cursor: utf8.encode(cursor) }), { kind: "stale-cursor" });
  }
});

test("records that do not fit are put aside", () => {
  const odd = plugin({
    source: {
      discover: () => [contacts],
      *read() {
        yield contact(1);
        yield contact(2, { name: "\ud800" });
        yield new Rejected("item 3", "raw", "no contact");
        yield new Deleted({ id: 4 });
      },
    },
  });
  const [page] = pages(odd, "contacts", { fields: ["id", "name"] });
  assert.deepEqual(page.rows.map((row) => row.id), [1, 4]);
  assert.deepEqual(page.kinds, [0, 1]);
  assert.deepEqual(page.rejected.map((rejected) => rejected.position), ["record 2", "item 3"]);
});

test("errors say where they were made, and what was not asked for", () => {
  const found = of(new TypeError("x is not a function"));
  assert.deepEqual([found.kind, found.code], ["other", "javascript.TypeError"]);
  assert.match(found.message, /sdk\.test\.mjs/);
  assert.throws(() => new PluginError("odd", ""), RangeError);
  assert.throws(() => files.list("data"), (error) => error.properties.hint.includes("plugin.toml"));
});
