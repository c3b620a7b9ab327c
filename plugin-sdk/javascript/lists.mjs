/** Lists that come page by page, and what changed since the last time. */

import { http } from "./capabilities.mjs";
import { PluginError } from "./errors.mjs";
import { Checkpoint } from "./reading.mjs";

/** Unless the project says otherwise; times are shown rounded, by some services up. */
const LOOKBACK_MS = 600_000;
const ROUNDING_MS = 1000;

/**
 * The records of each page of a list; a service that leads in a circle, or out of `root`, is an error.
 *
 * | kind | what follows a page |
 * |---|---|
 * | `offset` | `parameter` counts records; the list ends with an empty page |
 * | `number` | `parameter` counts pages from `first` (1); the same |
 * | `mark` | what `then` finds in a page goes into `parameter`; the list ends where it finds nothing |
 * | `link` | what `then` finds in a page is the URL of the next |
 * | `header` | the header `Link` says it (`rel="next"`) |
 *
 * `records` finds the records in the JSON of a page. Everything else that is said goes to `http.get`.
 */
export function* pages(begin, kind, { parameter, first = kind === "number" ? 1 : 0, records = (body) => body, then = () => null, root = "/", ...said } = {}) {
  const asked = new Set();
  const isCounted = kind === "offset" || kind === "number";
  let [count, shown] = [first, null];
  for (let target = isCounted ? set(begin, parameter, count) : begin; target !== null; ) {
    asked.add(target);
    const answer = http.get(target, said);
    const body = answer.value();
    const found = records(body);
    if (!Array.isArray(found)) throw new PluginError("permanent", "the answer has no list where there should be one", { code: "http.list", detail: answer.text.slice(0, 200) });
    const text = found.length > 0 ? JSON.stringify(found) : null;
    if (text !== null && text === shown) throw circle("it shows the same page again");
    shown = text ?? shown;
    yield found;
    count += kind === "offset" ? found.length : 1;
    const next = kind === "header" ? nextLink(answer.headers.link ?? "") : then(body);
    if (isCounted) target = found.length > 0 ? set(begin, parameter, count) : null;
    else if (next === null || next === undefined || next === "") target = null;
    else target = kind === "mark" ? set(begin, parameter, next) : follow(target, next, root);
    if (asked.has(target)) throw circle("what follows a page was read already");
  }
}

/** Where a link in the answer to `target` leads. Servers name themselves as they please, so only path and query count. */
export function follow(target, link, root = "/") {
  const refused = () => new PluginError("permanent", `the service sends a link that cannot be followed: \`${link.slice(0, 200)}\``, { code: "http.link" });
  const [, origin, rest] = /^((?:https?:)?\/\/[^/?#]*)?([^#]*)/i.exec(link);
  const [path, query] = split(rest);
  if (/[\\\u0000-\u001f\u007f]|%2e/i.test(path) || (!origin && /^[^/?]*:/.test(rest))) throw refused();
  const [from, asked] = split(target);
  const whole = path === "" ? (origin ? "/" : from) : path.startsWith("/") ? path : from.slice(0, from.lastIndexOf("/") + 1) + path;
  const steps = [];
  for (const step of whole.slice(1).split("/")) {
    if (step === "..") {
      if (steps.pop() === undefined) throw refused();
    } else if (step !== ".") steps.push(step);
  }
  const found = `/${steps.join("/")}`;
  const below = root.replace(/\/$/, "");
  if (found !== below && !found.startsWith(`${below}/`)) throw refused();
  const said = rest === "" ? asked : query;
  return said === null ? found : `${found}?${said.replaceAll(" ", "%20")}`;
}

function split(target) {
  const at = target.indexOf("?");
  return at < 0 ? [target, null] : [target.slice(0, at), target.slice(at + 1)];
}

function set(target, name, value) {
  const [path, query] = split(target);
  const own = `${encodeURIComponent(name)}=`;
  const others = (query ?? "").split("&").filter((pair) => pair && !pair.startsWith(own));
  return `${path}?${[...others, own + encodeURIComponent(value)].join("&")}`;
}

function nextLink(header) {
  for (const part of header.split("<").slice(1)) {
    const [link, said = ""] = part.split(">");
    const relations = said.split(";").filter((word) => /^\s*rel\s*=/i.test(word)).flatMap((word) => word.split("=")[1].replace(/[",]/g, " ").trim().split(/\s+/));
    if (relations.includes("next")) return link;
  }
  return null;
}

const circle = (how) => new PluginError("permanent", `the service leads in a circle: ${how}`, { code: "http.cycle" });

/**
 * From when on changes are asked for, and from when on the next time.
 *
 *     const since = new Since(request);
 *     const from = since.start === null ? "" : `&updated_since=${since.start.toISOString()}`;
 *     for (const page of pages(`/contacts?limit=100${from}`, "offset", { parameter: "skip" })) {
 *       for (const contact of page) {
 *         since.saw(contact.updated_at);
 *         yield contact;
 *       }
 *     }
 *     yield since.checkpoint();
 *
 * A reading begins at the last time, that time included, and some minutes before, for records that become visible late. A time in the
 * future is never a position: it would hide everything that is written until then. Yield the checkpoint behind everything.
 */
export class Since {
  constructor({ mode, cursor, options }) {
    if (cursor !== null && !Number.isSafeInteger(cursor?.since)) throw new PluginError("stale-cursor", "the position is not one of this plugin");
    const wished = options["lookback-ms"];
    if (wished !== undefined && !/^\d+$/.test(wished)) throw new PluginError("config", `\`lookback-ms\` is a number of milliseconds, not \`${wished}\``, { code: "lookback" });
    const lookback = wished === undefined ? LOOKBACK_MS : Math.max(Number(wished), ROUNDING_MS);
    Object.assign(this, { isIncremental: mode === "incremental", lookback, since: cursor?.since ?? null, seen: null, clock: null });
  }

  /** Ask for this time (a Date) and later; null = for everything. */
  get start() {
    return this.since === null || !this.isIncremental ? null : new Date(this.since - this.lookback);
  }

  /** Takes note of the service's clock, the header `Date`. */
  heard(answer) {
    const clock = Date.parse(answer.headers.date ?? "");
    if (!Number.isNaN(clock)) this.clock = clock;
  }

  /** Takes note of when a record was changed: a text or a Date. */
  saw(time) {
    const seen = Date.parse(time);
    if (!Number.isNaN(seen)) this.seen = Math.max(seen, this.seen ?? seen);
  }

  /** The position behind everything. */
  checkpoint() {
    const seen = this.seen === null ? null : Math.min(this.seen, this.clock ?? Date.now());
    if (seen === null && this.since === null) return new Checkpoint(null);
    return new Checkpoint({ since: Math.max(seen ?? this.since, this.since ?? seen) });
  }
}
