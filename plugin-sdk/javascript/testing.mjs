/** A plugin without a host: for tests that run in Node. */

import { rowsOf } from "./batches.mjs";
import { Response, provide } from "./capabilities.mjs";
import { PluginError } from "./errors.mjs";
import { Row } from "./glue.mjs";
import { Reading } from "./reading.mjs";
import * as utf8 from "./utf8.mjs";

export { Row, provide };

/** Answers from a function of (method, target, body): a Response, a pair of status and JSON, or a PluginError. */
export function fakeHttp(answer) {
  const requests = [];
  return {
    requests,
    send(_, asked) {
      return asked.map((request) => {
        requests.push(request);
        const body = request.body && JSON.parse(utf8.decode(request.body));
        const said = answer(request.method, request.target, body, request);
        if (!Array.isArray(said)) return said;
        const [status, json, headers = {}] = said;
        return new Response(status, headers, utf8.encode(typeof json === "string" ? json : JSON.stringify(json)));
      });
    },
  };
}

/** Files in an object: alias to path to bytes or text. */
export function fakeFiles(aliases) {
  const bytes = (content) => (typeof content === "string" ? utf8.encode(content) : content);
  const folder = (alias) => {
    if (aliases[alias]) return aliases[alias];
    throw new PluginError("config", `the connection grants no \`files\` under the alias \`${alias}\``);
  };
  return {
    list: (alias) => Object.keys(folder(alias)).sort().map((path) => ({ path, size: bytes(folder(alias)[path]).length, modifiedAt: 0 })),
    open(alias, path) {
      const content = bytes(folder(alias)[path] ?? "");
      return { read: (offset, length) => content.slice(offset, offset + length), close() {} };
    },
    write(alias, path, data) {
      folder(alias)[path] = data;
    },
  };
}

/** The pages of a reading, each with its `rows` as objects. */
export function* pages(plugin, name, { config = {}, rows = 10_000, mode = "full", cursor = null, fields, options = {} } = {}) {
  const found = plugin.source.discover([name], config).find((stream) => stream.name === name);
  if (!found) throw new RangeError(`there is no stream \`${name}\``);
  const wanted = found.fields.filter((field) => !fields || fields.includes(field.name));
  const reading = new Reading(plugin.source, { stream: name, key: found.key, fields: wanted, mode, cursor, options }, config);
  const logicals = new Map(wanted.map((field) => [field.name, field.logical]));
  for (;;) {
    const page = reading.next(rows, 4 << 20);
    yield { ...page, rows: rowsOf(page.batch, logicals).rows };
    if (page.status !== "more") return;
  }
}

/** All rows of a stream. */
export function read(plugin, name, said) {
  return [...pages(plugin, name, said)].flatMap((page) => page.rows);
}

/** Writes rows (`new Row(kind, values, expected)`) and flushes; the rows say what became of them. */
export function write(plugin, name, rows, { config = {}, mode = "upsert" } = {}) {
  const writer = plugin.sink.open({ stream: plugin.sink.describe(name, config), mode, options: {} }, config);
  writer.write(rows);
  return writer.flush();
}
