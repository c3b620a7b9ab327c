/** A generator of records as pages: filled up to the host's limits, with cursors that lose nothing. */

import { Columns } from "./batches.mjs";
import { PluginError } from "./errors.mjs";
import * as utf8 from "./utf8.mjs";

/** Everything yielded before this is told. What it holds (anything JSON can say) comes back as the request's cursor. */
export class Checkpoint {
  constructor(cursor) {
    this.cursor = cursor;
  }
}

/** The record with this key is gone. */
export class Deleted {
  constructor(key) {
    this.key = key;
  }
}

/** What could not become a record, with its place (`item 12`) and its raw form (a string), for a person. */
export class Rejected {
  constructor(position, raw, reason) {
    Object.assign(this, { position, raw, reason });
  }
}

/**
 * Hands on what a source's `read` yields. Without checkpoints the cursor counts records, which must come in the same order each
 * time; with them a page that ends behind one goes on from there, so that some records are told twice and none is left out.
 */
export class Reading {
  constructor(source, request, config) {
    const { at = null, skip = 0, checkpointed } = position(request.cursor);
    Object.assign(this, { at, checkpointed, request, told: 0, ended: false });
    request.cursor = at;
    this.columns = new Columns(request.fields);
    this.items = source.read(request, config)[Symbol.iterator]();
    while (this.told < skip) {
      if (this.items.next().done) throw new PluginError("stale-cursor", "the position is not one of this stream");
      this.told += 1;
    }
  }

  /** A page: batch, kinds, rejected, cursor, status. */
  next(rowsMax, bytesMax) {
    const page = { kinds: [], rejected: [], status: "more" };
    const taken = () => page.kinds.length + page.rejected.length;
    // A page holds at least one record, whatever it takes: else a reading would not get on.
    while (taken() === 0 || (taken() < rowsMax && this.columns.bytes < bytesMax)) {
      const { done, value } = this.items.next();
      if (done) {
        this.ended = true;
        page.status = this.request.mode === "incremental" ? "caught-up" : "enumeration-complete";
        break;
      }
      this.#take(value, page);
    }
    return { ...page, batch: this.columns.finish(), cursor: this.#cursor() };
  }

  #take(item, page) {
    if (item instanceof Checkpoint) {
      this.at = item.cursor;
      this.checkpointed = true;
      return;
    }
    this.told += 1;
    if (item instanceof Rejected) page.rejected.push(item);
    else this.#push(item instanceof Deleted ? item.key : item, item, page);
  }

  #push(values, item, page) {
    try {
      this.columns.push(values);
      page.kinds.push(item instanceof Deleted ? 1 : 0);
    } catch (error) {
      if (item instanceof Deleted) throw new PluginError("invalid-data", `a delete cannot be told: ${error.message}`);
      page.rejected.push(new Rejected(`record ${this.told}`, raw(values), error.message));
    }
  }

  #cursor() {
    // After everything was told the next full reading begins at the beginning.
    if (this.ended && !(this.request.mode === "incremental" && this.checkpointed)) return utf8.encode("");
    return utf8.encode(JSON.stringify(this.checkpointed ? { at: this.at } : { skip: this.told }));
  }
}

/** A record for a person; half characters are escaped. */
function raw(values) {
  return JSON.stringify(values, (_, value) => (typeof value === "bigint" ? String(value) : value)) ?? String(values);
}

function position(cursor) {
  if (!cursor || cursor.length === 0) return { checkpointed: false };
  try {
    const found = JSON.parse(utf8.decode(cursor));
    const checkpointed = Object.hasOwn(found, "at");
    if (checkpointed || Number.isSafeInteger(found.skip)) return { at: found.at, skip: found.skip, checkpointed };
  } catch {
    // Told below.
  }
  throw new PluginError("stale-cursor", "the position is not one of this plugin");
}
