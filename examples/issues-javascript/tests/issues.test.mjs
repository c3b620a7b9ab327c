// Tests that need no host. Run: npm test
import assert from "node:assert/strict";
import test from "node:test";

import { PluginError } from "lockstep-plugin-sdk";
import { Row, fakeHttp, pages, provide, read, write } from "lockstep-plugin-sdk/testing";
import plugin from "../src/plugin.mjs";

const config = { repository: "acme/shop", page_size: 3 };
const at = (seconds) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString().replace(".000", "");
const issue = (number, seconds, more = {}) => ({ number, title: `t${number}`, body: null, state: "open", labels: [{ name: "bug" }], user: { login: "ann" }, updated_at: at(seconds), ...more });

/** A tracker over a list of issues; `meddle` may change the list before a request is answered. */
function tracker(store, meddle = () => {}) {
  let asked = 0;
  const http = fakeHttp((method, target, body) => {
    asked += 1;
    meddle(asked, store);
    const [path, query = ""] = target.split("?");
    const number = Number(path.split("/")[5]);
    const found = store.find((one) => one.number === number);
    if (method === "POST") return [201, store[store.push({ ...issue(store.length + 1, 500), ...body }) - 1]];
    if (number) return found ? [200, Object.assign(found, body)] : [404, { message: "Not Found" }];
    const said = new URLSearchParams(query);
    const all = store.filter((one) => one.updated_at >= (said.get("since") ?? "")).sort((a, b) => (a.updated_at < b.updated_at ? -1 : a.updated_at > b.updated_at ? 1 : a.number - b.number));
    const begin = (Number(said.get("page")) - 1) * Number(said.get("per_page"));
    return [200, all.slice(begin, begin + Number(said.get("per_page")))];
  });
  provide({ http });
  return http;
}

const numbers = (rows) => [...new Set(rows.map((row) => row.number))].sort((a, b) => a - b);
const range = (count) => Array.from({ length: count }, (_, at) => at + 1);

test("all issues are read, and then what changed", () => {
  const store = range(10).map((number) => issue(number, number));
  tracker(store);
  assert.deepEqual(numbers(read(plugin, "issues", { config })), range(10));
  const last = [...pages(plugin, "issues", { config, mode: "incremental" })].at(-1);
  store[2].title = "new";
  store[2].updated_at = at(200);
  const changed = read(plugin, "issues", { config, mode: "incremental", cursor: last.cursor, options: { "lookback-ms": "0" } });
  assert.deepEqual(numbers(changed), [3, 10]);
});

test("hundreds with one time are all read", () => {
  tracker(range(250).map((number) => issue(number, number > 5 && number < 240 ? 5 : number)));
  assert.deepEqual(numbers(read(plugin, "issues", { config: { ...config, page_size: 20 } })), range(250));
});

test("issues that move between pages are not missed", () => {
  for (const crowded of [false, true]) {
    const store = range(30).map((number) => issue(number, crowded ? 5 : number));
    let later = 100;
    tracker(store, (asked) => {
      if (asked % 2 === 0 && asked < 12) store[asked].updated_at = at((later += 1));
    });
    assert.deepEqual(numbers(read(plugin, "issues", { config })), range(30), `${crowded}`);
  }
});

test("an incremental reading goes on at every page", () => {
  tracker(range(20).map((number) => issue(number, Math.ceil(number / 4))));
  let seen = [];
  for (const page of pages(plugin, "issues", { config, mode: "incremental", rows: 4 })) {
    seen = [...seen, ...page.rows];
    if (page.status !== "more") break;
    const rest = read(plugin, "issues", { config, mode: "incremental", cursor: page.cursor, options: { "lookback-ms": "0" } });
    assert.deepEqual(numbers([...seen, ...rest]), range(20));
  }
});

test("answers that are none end the reading with what they said", () => {
  const answers = [
    [[200, "<html>Sign in</html>"], "permanent", /no JSON/], [[200, ""], "permanent", /no JSON/], [[200, { message: "gone" }], "permanent", /no list/],
    [[200, '[{"number": 1'], "permanent", /no JSON/], [[401, { message: "Bad credentials" }], "auth", /Bad credentials/],
    [[403, { message: "API rate limit exceeded" }, { "x-ratelimit-remaining": "0", "retry-after": "0" }], "rate-limited", /limit/],
    [[500, "oops"], "transient", /500/], [new PluginError("transient", "cut off"), "transient", /cut off/],
  ];
  for (const [answer, kind, message] of answers) {
    provide({ http: fakeHttp(() => answer) });
    assert.throws(() => read(plugin, "issues", { config }), (error) => error.kind === kind && message.test(error.message), `${answer}`);
  }
});

test("issues that make no sense are put aside", () => {
  const odd = [issue(1, 1), { title: "no number" }, null, issue(2, 2, { title: "\ud800" }), issue(3, 3, { updated_at: "never" }), issue(4, 4, { pull_request: {} })];
  provide({ http: fakeHttp(() => [200, odd]) });
  const [page] = pages(plugin, "issues", { config: { ...config, page_size: 100 } });
  assert.deepEqual(numbers(page.rows), [1]);
  assert.equal(page.rejected.length, 4);
});

test("a new row becomes an issue, once", () => {
  const store = [];
  tracker(store);
  const row = new Row("upsert", { title: "new", body: null, state: "closed" }, {});
  assert.equal(write(plugin, "issues", [row], { config, mode: "insert" }).written, 1);
  assert.deepEqual([row.id, store.length, store[0].state], [["1"], 1, "closed"]);
});

test("an edit is made where nobody else edited, and only if it changes something", () => {
  const store = [issue(1, 1), issue(2, 2)];
  const http = tracker(store);
  const rows = [
    new Row("upsert", { number: 1, title: "mine" }, { title: "theirs" }), new Row("upsert", { number: 2, title: "mine" }, { title: "t2" }),
    new Row("upsert", { number: 1, title: "t1" }, {}), new Row("upsert", { number: 9, title: "x" }, {}), new Row("delete", { number: 1 }, {}),
  ];
  const done = write(plugin, "issues", rows, { config, mode: "update" });
  assert.deepEqual(rows.map((row) => row.status), [1, 0, 0, 1, 2]);
  assert.deepEqual([done.written, done.unchanged, store[1].title], [1, 1, "mine"]);
  assert.equal(http.requests.filter((request) => request.method === "PATCH").length, 1);
});

test("what nobody knows is told as that", () => {
  const cut = new PluginError("transient", "cut off");
  cut.properties.outcome = "unknown";
  const cases = [[[201, "<html>"], 4], [[200, { message: "hm" }], 4], [[500, "oops"], 4], [cut, 4], [new PluginError("transient", "busy"), 3], [[422, { message: "no", errors: [{ field: "title", code: "missing" }] }], 2]];
  for (const [answer, status] of cases) {
    provide({ http: fakeHttp(() => answer) });
    const row = new Row("upsert", { title: "new" }, {});
    write(plugin, "issues", [row], { config, mode: "insert" });
    assert.equal(row.status, status, JSON.stringify(answer));
  }
  provide({ http: fakeHttp(() => [401, {}]) });
  assert.throws(() => write(plugin, "issues", [new Row("upsert", { title: "x" }, {})], { config, mode: "insert" }), { kind: "auth" });
});
