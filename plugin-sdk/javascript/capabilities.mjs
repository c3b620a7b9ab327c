/**
 * What the host can do for a plugin. What `plugin.toml` does not ask for is not there. In a component the host stands behind
 * these; in tests `lockstep-plugin-sdk/testing` does.
 */

import { PluginError } from "./errors.mjs";
import * as utf8 from "./utf8.mjs";

const offered = {};

/** Called once by what starts the plugin, in a component and in tests. */
export function provide(capabilities) {
  Object.assign(offered, capabilities);
}

function host(name) {
  if (offered[name]) return offered[name];
  const hint = `add "${name}" to capabilities in plugin.toml`;
  throw new PluginError("config", `the capability \`${name}\` is not asked for`, { hint });
}

const CHUNK = 1 << 20;

/** Files below the folder that the project grants under an alias. */
export const files = {
  /** All files (`path`, `size`, `modifiedAt` in microseconds), sorted by path. */
  list: (alias) => host("files").list(alias),

  /** A file piece by piece, as it was when it was opened. */
  *chunks(alias, path) {
    const file = host("files").open(alias, path);
    try {
      for (let at = 0, chunk; (chunk = file.read(at, CHUNK)).length > 0; at += chunk.length) yield chunk;
    } finally {
      file.close();
    }
  },

  /** A whole file. */
  read(alias, path) {
    const chunks = [...files.chunks(alias, path)];
    const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  },

  /** Writes a file that appears under its name whole. */
  write: (alias, path, data) => host("files").write(alias, path, data),
};

const KINDS = { 401: "auth", 403: "auth", 407: "auth", 404: "not-found", 409: "conflict", 412: "conflict", 428: "conflict", 410: "stale-cursor", 501: "permanent" };

/** Where services say what is wrong: as a text, in an object, or in a list of these. */
function words(said) {
  if (typeof said === "string") return said.trim().replace(/\s+/g, " ").replace(/\.$/, "").slice(0, 500);
  if (Array.isArray(said)) return said.map(words).filter(Boolean).join("; ");
  if (said === null || typeof said !== "object") return "";
  const first = ["message", "detail", "error_description", "title", "error"].map((name) => words(said[name])).find(Boolean);
  return [first, words(said.errors)].filter(Boolean).join("; ");
}

/** An answer. `headers` has lower-case names. */
export class Response {
  constructor(status, headers, body) {
    Object.assign(this, { status, headers, body });
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  get text() {
    return utf8.decode(this.body, true);
  }

  /** The body of a success as JSON; anything else is thrown as the error it means. */
  value() {
    if (!this.ok) throw this.failure();
    return this.json();
  }

  /** The error that a status which is no success means, in the words of the service where it has any. */
  failure() {
    const { status, headers } = this;
    let said = "";
    try {
      said = words(JSON.parse(utf8.decode(this.body)));
    } catch {
      // A page for people: its beginning is told as detail.
    }
    const message = `the service answered ${status}${said && `: ${said}`}`;
    const more = { code: `http.${status}`, status, detail: this.text.slice(0, 200) };
    const after = headers["retry-after"];
    if (status === 429 || (status === 403 && (after !== undefined || headers["x-ratelimit-remaining"] === "0"))) {
      return new PluginError("rate-limited", message, { ...more, retryAfterMs: (Number(after) > 0 ? Number(after) : 60) * 1000 });
    }
    const kind = KINDS[status] ?? (status >= 500 ? "transient" : status < 400 ? "auth" : "permanent");
    return new PluginError(kind, message, more);
  }

  /** The body as JSON; what is none is an error of kind `permanent` that shows how it begins. */
  json() {
    try {
      return JSON.parse(utf8.decode(this.body));
    } catch (error) {
      throw new PluginError("permanent", `the answer is no JSON: ${error.message}`, { code: "http.json", detail: this.text.slice(0, 200) });
    }
  }
}

/** Requests to the origin that the project grants under an alias. The host adds credentials, keeps the pace and repeats. */
export const http = {
  /** One request. Every status but 408, 429, 502, 503 and 504 is an answer; those, and no answer, are thrown. */
  request(method, target, said = {}) {
    const [answer] = http.send([{ method, target, ...said }], said.alias);
    if (answer instanceof PluginError) throw answer;
    return answer;
  },

  get: (target, said) => http.request("GET", target, said),

  /** Several requests side by side: `{ method, target, json, body, headers, options }`; for each a Response or a PluginError. */
  send: (requests, alias = "api") => host("http").send(alias, requests.map(wire)),
};

function wire({ method, target, json, body, headers = {}, options = {} }) {
  const named = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
  if (json !== undefined) named["content-type"] ??= "application/json";
  const content = json === undefined ? body : JSON.stringify(json);
  return {
    method, target, headers: named, body: typeof content === "string" ? utf8.encode(content) : content,
    options: Object.fromEntries(Object.entries(options).map(([name, value]) => [name, String(value)])),
  };
}

const line = (level) => (message, fields = {}) =>
  host("log").log(level, String(message), Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)])));

/** Log lines, bounded by the host. */
export const log = { trace: line("trace"), debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
