/** Rows into columns and back: bitmaps, offsets and buffers are written here and nowhere else. */

import { decoder, encoder, layout } from "./values.mjs";

/** Takes rows and makes columns of these fields. A field a row does not have, or has as `undefined`, is absent: never null. */
export class Columns {
  constructor(fields) {
    this.fields = fields.map((field) => ({ ...field, layout: layout(field.logical), encode: encoder(field.logical) }));
    this.names = new Set(fields.map((field) => field.name));
    this.#clear();
  }

  #clear() {
    this.rows = 0;
    this.bytes = 0;
    this.cells = this.fields.map(() => []);
  }

  /** Adds a row; one that does not fit leaves no trace and is a RangeError. */
  push(values) {
    let taken = 0;
    const row = this.fields.map((field) => {
      const value = this.#value(field, values[field.name]);
      taken += value instanceof Uint8Array ? value.length + 4 : 8;
      return value;
    });
    row.forEach((value, at) => this.cells[at].push(value));
    this.rows += 1;
    this.bytes += taken;
  }

  #value({ name, nullable, encode }, value) {
    if (value === undefined) return value;
    if (value === null) {
      if (!nullable) throw new RangeError(`field \`${name}\`: it is never null`);
      return value;
    }
    try {
      return encode(value);
    } catch (error) {
      throw new RangeError(`field \`${name}\`: ${error.message}`);
    }
  }

  /** The batch; empty afterwards. */
  finish() {
    const columns = this.fields.map((field, at) => column(field, this.cells[at]));
    const batch = { rows: this.rows, columns };
    this.#clear();
    return batch;
  }
}

/** One bit per flag, the least significant first. */
export function bitmap(flags) {
  const bits = new Uint8Array((flags.length + 7) >> 3);
  flags.forEach((flag, at) => {
    if (flag) bits[at >> 3] |= 1 << (at & 7);
  });
  return bits;
}

function isSet(bits, at) {
  return ((bits[at >> 3] >> (at & 7)) & 1) === 1;
}

/** Byte strings one behind the other. */
export function bytesColumn(parts) {
  const offsets = new Uint32Array(parts.length + 1);
  parts.forEach((part, at) => {
    offsets[at + 1] = offsets[at] + part.length;
  });
  const data = new Uint8Array(offsets[parts.length]);
  parts.forEach((part, at) => data.set(part, offsets[at]));
  return { offsets, data };
}

const NOTHING = { bits: false, int64: 0n, float64: 0, utf8: new Uint8Array(), bytes: new Uint8Array() };

function column({ name, layout }, cells) {
  const absent = cells.includes(undefined);
  const empty = absent || cells.includes(null);
  const filled = empty ? cells.map((cell) => cell ?? NOTHING[layout]) : cells;
  return {
    name,
    valid: empty ? bitmap(cells.map((cell) => cell !== null && cell !== undefined)) : undefined,
    present: absent ? bitmap(cells.map((cell) => cell !== undefined)) : undefined,
    values: values(layout, filled),
  };
}

function values(layout, cells) {
  if (layout === "bits") return { tag: "bits", val: bitmap(cells) };
  if (layout === "int64") return { tag: "int64", val: BigInt64Array.from(cells) };
  if (layout === "float64") return { tag: "float64", val: Float64Array.from(cells) };
  return { tag: "bytes", val: bytesColumn(cells) };
}

/** The rows of a batch as objects without their absent fields, and why some rows hold what JavaScript cannot: row to reason. */
export function rowsOf(batch, logicals) {
  const rows = Array.from({ length: batch.rows }, () => ({}));
  const misfits = new Map();
  for (const { name, valid, present, values } of batch.columns) {
    const decode = decoder(logicals.get(name));
    rows.forEach((row, at) => {
      if (present && !isSet(present, at)) return;
      try {
        row[name] = valid && !isSet(valid, at) ? null : decode(cell(values, at));
      } catch (error) {
        if (!misfits.has(at)) misfits.set(at, `field \`${name}\`: ${error.message}`);
      }
    });
  }
  return { rows, misfits };
}

function cell({ tag, val }, at) {
  if (tag === "bits") return isSet(val, at);
  return tag === "bytes" ? val.data.subarray(val.offsets[at], val.offsets[at + 1]) : val[at];
}
