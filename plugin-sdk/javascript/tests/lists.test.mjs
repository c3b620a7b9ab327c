// Lists by every kind of paging, services that cannot be trusted with them, and what changed.
import assert from "node:assert/strict";
import test from "node:test";

import { PluginError, Since, follow, http, pages } from "../index.mjs";
import { fakeHttp, provide } from "../testing.mjs";

function served(answer) {
  const fake = fakeHttp((_, target) => answer(target));
  provide({ http: fake });
  return fake;
}

test("counted lists end with an empty page", () => {
  const fake = served((target) => [200, { "skip=0": [1, 2], "skip=2": [3] }[target.split("&")[1]] ?? []]);
  assert.deepEqual([...pages("/a?x=%2B", "offset", { parameter: "skip" })], [[1, 2], [3], []]);
  assert.deepEqual(fake.requests.map((request) => request.target), ["/a?x=%2B&skip=0", "/a?x=%2B&skip=2", "/a?x=%2B&skip=3"]);
  served((target) => [200, target.at(-1) < "3" ? [target.at(-1)] : []]);
  assert.deepEqual([...pages("/a", "number", { parameter: "page" })], [["1"], ["2"], []]);
});

test("marks and links lead on", () => {
  const said = { records: (body) => body.list, then: (body) => body.next };
  served((target) => [200, target.includes("after=x%2F7") ? { list: [2], next: null } : { list: [1], next: "x/7" }]);
  assert.deepEqual([...pages("/a", "mark", { parameter: "after", ...said })], [[1], [2]]);
  served((target) => [200, target.endsWith("p=2") ? { list: [2], next: "" } : { list: [1], next: "https://inner/v1/a?p=2" }]);
  assert.deepEqual([...pages("/v1/a", "link", { root: "/v1", ...said })], [[1], [2]]);
  const link = '<https://inner/a?b,c>; rel="prev", <?p=2>; title=x; rel="last next"';
  served((target) => (target.endsWith("p=2") ? [200, [2]] : [200, [1], { link }]));
  assert.deepEqual([...pages("/a", "header")], [[1], [2]]);
});

test("circles and links that lead out are errors", () => {
  served(() => [200, [1]]);
  for (const kind of ["offset", "number", "mark"]) {
    assert.throws(() => [...pages("/a", kind, { parameter: "p", then: () => "x" })], { code: "http.cycle" }, kind);
  }
  assert.throws(() => [...pages("/a/b", "link", { records: () => [], then: () => "/a/b" })], { code: "http.cycle" });
  for (const link of ["https://evil.example/x", "/v2/a", "../../../x", "javascript:alert(1)", "ftp://a/v1/x", "/v1/%2e%2e/x", "/v1\\..\\x", "//evil"]) {
    assert.throws(() => follow("/v1/a", link, "/v1"), { code: "http.link" }, link);
  }
  const led = { "b?x": "/v1/b?x", "?x=1": "/v1/a?x=1", "../v1/./b": "/v1/b", "//inner/v1/b#y": "/v1/b", "b?at=12:30": "/v1/b?at=12:30" };
  for (const [link, found] of Object.entries(led)) assert.equal(follow("/v1/a", link, "/v1"), found);
});

test("what is no list is an error, in the words of the service", () => {
  for (const [answer, kind] of [[[200, {}], "permanent"], [[401, {}], "auth"], [[500, {}], "transient"], [[404, {}], "not-found"], [[302, {}], "auth"]]) {
    served(() => answer);
    assert.throws(() => [...pages("/a", "offset", { parameter: "skip" })], { kind }, `${answer[0]}`);
  }
  for (const [body, words] of [
    [{ message: "a." }, ": a"], [{ error: { message: "a" } }, ": a"], [{ title: "a", detail: "b" }, ": b"],
    [{ errors: ["a", { detail: "b" }, 3] }, ": a; b"], [{ message: 3 }, ""], [[], ""],
  ]) {
    served(() => [422, body]);
    assert.equal(http.get("/").failure().message, `the service answered 422${words}`);
  }
  served(() => [403, {}, { "x-ratelimit-remaining": "0", "retry-after": "0" }]);
  const limited = http.get("/").failure();
  assert.deepEqual([limited.kind, limited.retryAfterMs], ["rate-limited", 60_000]);
});

const asked = (cursor = null, lookback = "0", mode = "incremental") => ({ mode, cursor, options: { "lookback-ms": lookback } });
const NOON = Date.UTC(2026, 0, 2, 12);

test("a reading begins at the last time", () => {
  const since = new Since(asked());
  assert.equal(since.start, null);
  since.saw("2026-01-02T12:00:00Z");
  since.saw("2026-01-02T11:00:00Z");
  const { cursor } = since.checkpoint();
  assert.equal(new Since(asked(cursor)).start.getTime(), NOON - 1000);
  assert.equal(new Since(asked(cursor, "60000")).start.getTime(), NOON - 60_000);
  assert.equal(new Since(asked(cursor, "0", "full")).start, null);
  assert.deepEqual(new Since(asked(cursor)).checkpoint().cursor, cursor, "it never goes back");
});

test("nothing in the future is a position, and nonsense is told", () => {
  const since = new Since(asked());
  since.saw("9000-01-01T00:00:00Z");
  assert.ok(new Since(asked(since.checkpoint().cursor)).start.getTime() < Date.now());
  since.heard({ headers: { date: "Fri, 02 Jan 2026 12:00:00 GMT" } });
  since.heard({ headers: { date: "soon" } });
  assert.equal(new Since(asked(since.checkpoint().cursor)).start.getTime(), NOON - 1000);
  for (const [cursor, lookback, kind] of [["x", "0", "stale-cursor"], [{ at: 1 }, "0", "stale-cursor"], [null, "10m", "config"]]) {
    assert.throws(() => new Since(asked(cursor, lookback)), (error) => error instanceof PluginError && error.kind === kind);
  }
});
