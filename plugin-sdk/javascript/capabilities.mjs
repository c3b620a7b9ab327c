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
