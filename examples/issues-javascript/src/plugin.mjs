// The issues of a repository: read by what changed since, written one by one.
import { Checkpoint, PluginError, Rejected, http, pages, plugin, stream } from "lockstep-plugin-sdk";

import { issueOf, issues, list } from "./api.mjs";

const STREAM = stream("issues", {
  number: "int64 key", title: "text", body: "text?", state: "text", labels: "json", author: "text?", updated_at: "timestamp modified",
}, { write: "insert,update" });

/** Unless the project says otherwise: an index may show an issue later than one that was changed after it. */
const LOOKBACK_MS = 60_000;
/** How often a crowd of issues with one time is gone through until nothing new turns up. */
const PASSES_MAX = 5;

function record(issue) {
  try {
    const { number, title, body, state, labels, user, updated_at } = issue;
    if (!Number.isSafeInteger(number) || Number.isNaN(Date.parse(updated_at))) throw new RangeError("it has no number or no time");
    const names = (labels ?? []).map((label) => label?.name ?? label);
    return { number, title, body: body ?? null, state, labels: JSON.stringify(names), author: user?.login ?? null, updated_at };
  } catch (error) {
    return new Rejected(`issue ${issue?.number ?? "?"}`, JSON.stringify(issue) ?? "", error.message);
  }
}

const second = (issue) => Date.parse(issue?.updated_at ?? "");

/**
 * Issues in the order in which they were changed, from a time on. Each request begins at the last time seen, because numbered pages move
 * while issues are edited; only where more issues share one second than a page holds are pages counted.
 */
function* changed(config, since) {
  const size = config.page_size ?? 100;
  const seen = new Map();
  const news = function* (found) {
    for (const issue of found) {
      if (seen.get(issue?.number) === issue?.updated_at && issue?.number !== undefined) continue;
      if (issue?.number !== undefined) seen.set(issue.number, issue.updated_at);
      // Pull requests are told as issues; they are none.
      if (!issue?.pull_request) yield record(issue);
    }
  };
  for (let from = since; ; ) {
    const target = (page) => {
      const begin = from === null ? "" : `&since=${new Date(from).toISOString().slice(0, 19)}Z`;
      return `${issues(config)}?state=all&sort=updated&direction=asc&per_page=${size}&page=${page}${begin}`;
    };
    const { found, clock } = list(target(1));
    yield* news(found);
    const last = second(found.at(-1));
    if (found.length < size) return;
    if (last > (from ?? -Infinity)) from = last;
    else from = yield* crowd(target, size, from, seen, news);
    // What the tracker's own clock has not reached yet must not hide what comes until then.
    yield new Checkpoint(Math.min(from, Number.isNaN(clock) ? from : clock));
  }
}

/** More issues with one time than a page holds: page by page, and again until a pass shows nothing new. */
function* crowd(target, size, from, seen, news) {
  for (let pass = 0; pass < PASSES_MAX; pass += 1) {
    const known = seen.size;
    for (let page = 1; ; page += 1) {
      const { found } = list(target(page));
      yield* news(found);
      const last = second(found.at(-1));
      if (found.length < size || last > from) {
        if (seen.size === known) return Number.isNaN(last) || last <= from ? from + 1000 : last;
        break;
      }
    }
  }
  throw new PluginError("transient", "the issues of one second do not keep still", { code: "issues.moving" });
}

/** The values of a row that the API takes. */
function writable({ title, body, state, labels }) {
  const values = { title, body, state, labels: labels == null ? undefined : JSON.parse(labels) };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

class Writer {
  constructor(mode, config) {
    Object.assign(this, { mode, config, done: { written: 0, unchanged: 0, deleted: 0 } });
  }

  write(rows) {
    for (const row of rows) {
      try {
        if (row.kind === "delete") throw new PluginError("invalid-data", "issues cannot be deleted", { code: "issues.delete" });
        if (this.mode === "insert") this.#insert(row);
        else this.#update(row);
      } catch (error) {
        refuse(row, error);
      }
    }
  }

  #insert(row) {
    const { state, ...json } = writable(row.values);
    const issue = told(http.request("POST", issues(this.config), { json }));
    row.inserted(issue.number);
    this.done.written += 1;
    // A new issue is open whatever one says.
    if (state === "closed") issueOf(http.request("PATCH", `${issues(this.config)}/${issue.number}`, { json: { state } }));
  }

  #update(row) {
    const target = `${issues(this.config)}/${row.values.number}`;
    const answer = http.get(target);
    if (answer.status === 404 || answer.status === 410) return row.conflict(answer.failure());
    const now = record(issueOf(answer));
    for (const [name, value] of Object.entries(row.expected)) {
      if (now[name] !== value) return row.conflict(new PluginError("conflict", `\`${name}\` has been changed meanwhile`, { field: name }));
    }
    const differing = Object.entries(row.values).filter(([name, value]) => name !== "number" && now[name] !== value);
    const json = writable(Object.fromEntries(differing));
    // An edit that changes nothing moves the time of the issue all the same.
    if (Object.keys(json).length === 0) return (this.done.unchanged += 1);
    // Setting values twice is the same as setting them once.
    told(http.request("PATCH", target, { json, options: { idempotent: true } }));
    return (this.done.written += 1);
  }

  flush() {
    const done = this.done;
    this.done = { written: 0, unchanged: 0, deleted: 0 };
    return done;
  }
}

/** The issue that was written. A success that shows none is no success, and neither is a failure of the server's own: nobody knows. */
function told(answer) {
  try {
    return issueOf(answer);
  } catch (error) {
    if (answer.ok || answer.status >= 500) error.properties.outcome = "unknown";
    throw error;
  }
}

function refuse(row, error) {
  if (!(error instanceof PluginError)) throw error;
  // Nothing can be written with these: the run ends, and the rows are owed.
  if (["auth", "config", "rate-limited"].includes(error.kind)) throw error;
  if (error.outcomeUnknown) row.unknown(error);
  else if (error.kind === "transient") row.retry(error);
  else row.reject(error);
}

export default plugin({
  source: {
    discover: () => [STREAM],

    *read({ mode, cursor, options }, config) {
      const lookback = Number(options["lookback-ms"] ?? LOOKBACK_MS);
      if (mode !== "incremental") return yield* withoutCheckpoints(changed(config, null));
      if (cursor !== null && !Number.isSafeInteger(cursor)) throw new PluginError("stale-cursor", "the position is not one of this stream");
      let latest = cursor;
      for (const item of changed(config, cursor === null ? null : cursor - lookback)) {
        if (item instanceof Checkpoint) latest = Math.max(item.cursor, latest ?? item.cursor);
        else if (item.updated_at) latest = Math.min(Math.max(Date.parse(item.updated_at), latest ?? -Infinity), Date.now());
        yield item instanceof Checkpoint ? new Checkpoint(latest) : item;
      }
      if (latest !== null) yield new Checkpoint(latest);
    },
  },

  lookup: {
    lookup(_, keys, config) {
      // Found by their numbers only: for titles all are gone through.
      if (keys.some(({ number }) => number === undefined)) {
        const titles = new Set(keys.map(({ title }) => title));
        const all = pages(`${issues(config)}?state=all&sort=created&direction=asc&per_page=100`, "number", { parameter: "page" });
        return [...all].flat().filter((issue) => titles.has(issue.title) && !issue.pull_request).map(record);
      }
      const answers = http.send(keys.map(({ number }) => ({ method: "GET", target: `${issues(config)}/${number}` })));
      return answers.flatMap((answer) => {
        if (answer instanceof PluginError) throw answer;
        return answer.status === 404 || answer.status === 410 ? [] : [record(issueOf(answer))];
      });
    },
  },

  sink: {
    describe: (name) => (name === "issues" ? { ...STREAM, properties: { ...STREAM.properties, empty: "false" } } : null),
    open: ({ mode }, config) => new Writer(mode, config),
  },
});

/** A full reading begins at the beginning again. */
function* withoutCheckpoints(items) {
  for (const item of items) if (!(item instanceof Checkpoint)) yield item;
}
