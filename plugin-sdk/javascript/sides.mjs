/** What a plugin can be, checked while it is built. */

import { PluginError } from "./errors.mjs";
import { layout } from "./values.mjs";

const SIDES = { source: ["discover", "read"], lookup: ["lookup"], sink: ["describe", "open"], transform: ["apply"] };

/**
 * A plugin: any of these, each with its functions, which get the connection's `config` as their last argument.
 *
 * - `source`: `discover(names, config)` answers streams; `*read(request, config)` yields records, `Deleted`, `Rejected`, `Checkpoint`
 * - `lookup`: `lookup(request, keys, config)` answers the records of these keys
 * - `sink`: `describe(name, config)`, `prepare(wanted, { evolve, dryRun }, config)`, `open(request, config)`, which answers an object
 *   with `write(rows)` and `flush()`
 * - `transform`: `describe(input, config)`, `apply(values, config)`
 */
export function plugin(sides) {
  for (const [side, functions] of Object.entries(sides)) {
    if (!SIDES[side]) throw new TypeError(`a plugin has no side \`${side}\`; it may have ${Object.keys(SIDES).join(", ")}`);
    for (const needed of SIDES[side]) {
      if (typeof functions[needed] !== "function") throw new TypeError(`\`${side}\` has no function \`${needed}\``);
    }
  }
  return sides;
}

/**
 * A stream: each field is its logical type, `?` behind it if it may be null, and `key` or `modified`:
 * `stream("contacts", { id: "int64 key", name: "text?", changed: "timestamp modified" })`.
 */
export function stream(name, fields, properties = {}) {
  const made = { name, key: [], fields: [], properties: { ...properties } };
  for (const [field, said] of Object.entries(fields)) {
    const [type, ...marks] = said.split(" ").filter(Boolean);
    const nullable = type.endsWith("?");
    const logical = nullable ? type.slice(0, -1) : type;
    layout(logical);
    made.fields.push({ name: field, logical, nullable, properties: {} });
    for (const mark of marks) {
      if (mark === "key" && !nullable) made.key.push(field);
      else if (mark === "modified") made.properties.modified ??= field;
      else throw new TypeError(`field \`${field}\`: ${mark === "key" ? "a key field is never null" : `there is no mark \`${mark}\``}`);
    }
  }
  return made;
}

/** What a sink does unless it says more: a stream cannot be made or changed. */
export function prepareNothing(found, wanted) {
  if (!found) throw new PluginError("not-found", `there is no stream \`${wanted.name}\`, and this plugin makes none`);
  const missing = wanted.fields.find((field) => !found.fields.some((known) => known.name === field.name));
  if (missing) throw new PluginError("config", `stream \`${wanted.name}\` has no field \`${missing.name}\``, { field: missing.name });
  return { stream: found, actions: [] };
}
