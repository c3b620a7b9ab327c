/** Between this package and the contract's functions. Imported by what `lockstep plugin build` writes, inside of a component. */

import { Columns, bytesColumn, rowsOf } from "./batches.mjs";
import { Response, provide } from "./capabilities.mjs";
import { PluginError, of } from "./errors.mjs";
import { Reading } from "./reading.mjs";
import { prepareNothing } from "./sides.mjs";
import * as utf8 from "./utf8.mjs";

const pairs = (object) => Object.entries(object ?? {}).map(([name, value]) => [name, String(value)]);

function wireError(thrown) {
  const { kind, code, message, retryAfterMs, properties } = of(thrown);
  return { kind, code, message, retryAfterMs: retryAfterMs ?? undefined, properties: pairs(properties) };
}

/** Every exception is an answer, so that the host hears what went wrong instead of losing the instance. */
const answering = (call) =>
  function answer(...given) {
    try {
      return call.apply(this, given);
    } catch (thrown) {
      throw wireError(thrown);
    }
  };

function raised(thrown) {
  const error = thrown?.payload ?? thrown;
  if (typeof error?.kind !== "string") return thrown;
  const made = new PluginError(error.kind, error.message, { code: error.code });
  made.retryAfterMs = error.retryAfterMs ?? null;
  made.properties = Object.fromEntries(error.properties);
  return made;
}

function asking(call) {
  try {
    return call();
  } catch (thrown) {
    throw raised(thrown);
  }
}

const settings = (config) => JSON.parse(config || "{}");
const field = ({ name, logicalType, nullable, properties }) => ({ name, logical: logicalType, nullable, properties: Object.fromEntries(properties) });
const stream = ({ name, key, fields, properties }) => ({ name, key, fields: fields.map(field), properties: Object.fromEntries(properties) });
const request = (asked) => ({ ...asked, fields: asked.fields.map(field), options: Object.fromEntries(asked.options) });

function wireStream({ name, key, fields, properties }) {
  const wired = fields.map((field) => ({ name: field.name, logicalType: field.logical, nullable: field.nullable, properties: pairs(field.properties) }));
  return { name, key, fields: wired, properties: pairs(properties) };
}

const upserts = (data) => ({ kinds: undefined, ids: undefined, versions: undefined, changedAt: undefined, origins: undefined, data });

function rejection({ position, raw, reason }) {
  const error = reason instanceof PluginError ? reason : new PluginError("invalid-data", String(reason), { code: "record" });
  return { position, raw: utf8.encode(String(raw).slice(0, 16_000), true), error: wireError(error) };
}

function sourceSide(source) {
  class Reader {
    constructor(reading) {
      this.reading = reading;
    }
  }
  Reader.prototype.next = answering(function next({ rows, bytes }) {
    const page = this.reading.next(rows, Number(BigInt.asUintN(64, BigInt(bytes))));
    const kinds = page.kinds.includes(1) ? Uint8Array.from(page.kinds) : undefined;
    return { changes: { ...upserts(page.batch), kinds }, rejected: page.rejected.map(rejection), nextCursor: page.cursor, status: page.status };
  });
  return {
    Reader,
    discover: answering((config, names) =>
      source.discover(names, settings(config)).filter(({ name }) => names.length === 0 || names.includes(name)).map(wireStream)),
    open: answering((config, asked) => {
      // Whatever a source would make of a name it does not know: an empty reading would look like deleted records.
      const known = source.discover([asked.stream], settings(config));
      if (known.every(({ name }) => name !== asked.stream)) throw new PluginError("not-found", `there is no stream \`${asked.stream}\``);
      return new Reader(new Reading(source, request(asked), settings(config)));
    }),
  };
}

function lookupSide(lookup) {
  return {
    lookup: answering((config, asked, keys) => {
      const wanted = request(asked);
      const { rows, misfits } = rowsOf(keys, new Map(wanted.fields.map(({ name, logical }) => [name, logical])));
      const columns = new Columns(wanted.fields);
      for (const found of lookup.lookup(wanted, rows.filter((_, at) => !misfits.has(at)), settings(config))) columns.push(found);
      return upserts(columns.finish());
    }),
  };
}

const KINDS = ["upsert", "delete", "undelete"];

/** A row to be written, and what becomes of it: fine, until something else is said. */
class Row {
  constructor(kind, values, expected) {
    Object.assign(this, { kind, values, expected, status: 0, error: null, id: null });
  }

  /** The record is not as it was expected to be, and was left alone. */
  conflict(error) {
    Object.assign(this, { status: 1, error });
  }

  /** The row cannot be written as it is. */
  reject(error) {
    Object.assign(this, { status: 2, error });
  }

  /** Nothing was done; it may work later. */
  retry(error) {
    Object.assign(this, { status: 3, error });
  }

  /** Nobody knows whether it was done. */
  unknown(error) {
    Object.assign(this, { status: 4, error });
  }

  /** The key under which the row was inserted (mode `insert`), in the order of the stream's key. */
  inserted(...key) {
    this.id = key.map(String);
  }
}

const EXPECTED = "expected:";

function rowsToWrite({ kinds, data }, fields) {
  const logicals = new Map(fields.flatMap(({ name, logical }) => [[name, logical], [EXPECTED + name, logical]]));
  const { rows, misfits } = rowsOf(data, logicals);
  return rows.map((all, at) => {
    const [values, expected] = [{}, {}];
    for (const [name, value] of Object.entries(all)) {
      if (name.startsWith(EXPECTED)) expected[name.slice(EXPECTED.length)] = value;
      else values[name] = value;
    }
    const row = new Row(KINDS[kinds?.[at] ?? 0], values, expected);
    if (misfits.has(at)) row.reject(new PluginError("invalid-data", misfits.get(at), { code: "record" }));
    return row;
  });
}

function results(rows) {
  const failed = rows.map((row, at) => ({ row, at })).filter(({ row }) => row.status !== 0);
  const ids = rows.some((row) => row.id) ? bytesColumn(rows.map((row) => utf8.encode(row.id ? JSON.stringify(row.id) : ""))) : undefined;
  return {
    statuses: failed.length ? Uint8Array.from(rows, (row) => row.status) : undefined,
    errors: failed.map(({ row, at }) => ({ row: at, error: wireError(row.error) })),
    ids,
    versions: undefined,
  };
}

/** Counts as this engine wants them: one of them has no bigints at the border. */
const count = globalThis.TextEncoder ? (value) => BigInt(value ?? 0) : (value) => Number(value ?? 0);

function sinkSide(sink) {
  class Writer {
    constructor(writer, fields) {
      Object.assign(this, { writer, fields });
    }
  }
  Writer.prototype.write = answering(function write(changes) {
    const rows = rowsToWrite(changes, this.fields);
    this.writer.write(rows.filter((row) => row.status === 0));
    return results(rows);
  });
  Writer.prototype.flush = answering(function flush() {
    const { written, unchanged, deleted, properties } = this.writer.flush() ?? {};
    return { written: count(written), unchanged: count(unchanged), deleted: count(deleted), properties: pairs(properties) };
  });
  return {
    Writer,
    describe: answering((config, name) => {
      const found = sink.describe(name, settings(config));
      return found ? wireStream(found) : undefined;
    }),
    prepare: answering((config, wanted, options) => {
      const said = new Map(options);
      const wishes = { evolve: said.get("evolve") === "true", dryRun: said.get("dry-run") === "true" };
      const asked = stream(wanted);
      const prepared = sink.prepare
        ? sink.prepare(asked, wishes, settings(config))
        : prepareNothing(sink.describe(asked.name, settings(config)), asked);
      return { stream: wireStream(prepared.stream), actions: prepared.actions };
    }),
    open: answering((config, asked) => {
      const wanted = stream(asked.stream);
      const said = { stream: wanted, mode: asked.mode, options: Object.fromEntries(asked.options) };
      return new Writer(sink.open(said, settings(config)), wanted.fields);
    }),
  };
}

function picked(column, origins) {
  return column && bytesColumn(origins.map((at) => column.data.subarray(column.offsets[at], column.offsets[at + 1])));
}

function transformSide(transform) {
  const described = (input, config) => (transform.describe ? transform.describe(input, config) : input);
  class Transformer {
    constructor(input, config) {
      Object.assign(this, { config, fields: input.fields, out: new Columns(described(input, config).fields) });
    }
  }
  Transformer.prototype.apply = answering(function apply(changes) {
    const [origins, kinds, rejected] = [[], [], []];
    rowsToWrite(changes, this.fields).forEach((row, at) => {
      try {
        if (row.error) throw row.error;
        const values = transform.apply(row.values, this.config);
        if (!values) return;
        this.out.push(values);
        origins.push(at);
        kinds.push(KINDS.indexOf(row.kind));
      } catch (thrown) {
        if (!(thrown instanceof PluginError || thrown instanceof RangeError)) throw thrown;
        const error = thrown instanceof PluginError ? thrown : new PluginError("invalid-data", thrown.message, { code: "record" });
        rejected.push({ row: at, error: wireError(error) });
      }
    });
    const { ids, versions, changedAt } = changes;
    const kept = {
      kinds: kinds.some(Boolean) ? Uint8Array.from(kinds) : undefined, ids: picked(ids, origins), versions: picked(versions, origins),
      changedAt: changedAt && BigInt64Array.from(origins, (at) => BigInt(changedAt[at])), origins: picked(changes.origins, origins),
      data: this.out.finish(),
    };
    return { changes: kept, origins: Uint32Array.from(origins), rejected };
  });
  return {
    Transformer,
    describe: answering((config, input) => wireStream(described(stream(input), settings(config)))),
    open: answering((config, input) => new Transformer(stream(input), settings(config))),
  };
}

function hostFiles(files) {
  return {
    list: (alias) =>
      asking(() => files.listFiles(alias)).map(({ path, size, modifiedAt }) => ({ path, size: Number(size), modifiedAt: Number(modifiedAt) })),
    open(alias, path) {
      const file = asking(() => files.open(alias, path));
      return {
        read: (offset, length) => asking(() => file.read(count(offset), count(length))),
        close: () => file[Symbol.dispose ?? Symbol.for("dispose")]?.(),
      };
    },
    write(alias, path, data) {
      asking(() => {
        const file = files.create(alias, path);
        file.append(data);
        file.finish();
      });
    },
  };
}

function hostHttp(http) {
  return {
    send(alias, requests) {
      const wired = requests.map(({ method, target, headers, body, options }) => ({
        endpoint: alias, method, target, headers: Object.entries(headers).map(([name, value]) => [name, utf8.encode(value)]), body,
        options: Object.entries(options),
      }));
      return http.send(wired).map(({ tag, val }) => {
        if (tag === "err") return raised(val);
        const headers = Object.fromEntries(val.headers.map(([name, value]) => [name.toLowerCase(), utf8.decode(value, true)]));
        return new Response(val.status, headers, val.body);
      });
    },
  };
}

const hostLog = (log) => ({ log: (level, message, fields) => log.log(level, message, Object.entries(fields)) });

const SIDES = { source: sourceSide, lookup: lookupSide, sink: sinkSide, transform: transformSide };
const HOSTS = { files: hostFiles, http: hostHttp, log: hostLog };

/** The interfaces of the component: those of `plugin.toml`, from what the plugin's module exports as its default. */
export function start(plugin, exported, imports) {
  for (const [name, module] of Object.entries(imports)) if (HOSTS[name]) provide({ [name]: HOSTS[name](module) });
  return Object.fromEntries(exported.map((side) => {
    if (!plugin?.[side]) throw new TypeError(`plugin.toml exports \`${side}\`, but the plugin has no such side`);
    return [side, SIDES[side](plugin[side])];
  }));
}

/** For tests. */
export { Row };
