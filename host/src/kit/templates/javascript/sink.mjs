// People in a file of JSON, to start from.
import { PluginError, files, plugin, stream, utf8Bytes, utf8Text } from "lockstep-plugin-sdk";

const [FOLDER, FILE] = ["out", "people.json"];
const FIELDS = { id: "int64 key", name: "text?", email: "text?" };

export default plugin({
  sink: {
    describe: (name) => (name === "people" ? people() : null),

    open: () => new Writer(),
  },

  lookup: {
    // Found by their keys, as the host looks before it writes again what it knows nothing of.
    lookup(_request, keys) {
      const known = load();
      return keys.map(({ id }) => known.get(id)).filter(Boolean);
    },
  },
});

class Writer {
  people = load();
  done = { written: 0, unchanged: 0, deleted: 0 };

  write(rows) {
    for (const { kind, values } of rows) {
      const known = this.people.get(values.id);
      // What a row says nothing about stays as it is.
      const person = { ...known, ...values };
      if (kind === "delete") this.done.deleted += this.people.delete(values.id) ? 1 : 0;
      else if (known && JSON.stringify(known) === JSON.stringify(person)) this.done.unchanged += 1;
      else {
        this.people.set(values.id, person);
        this.done.written += 1;
      }
    }
  }

  /** The file is replaced as a whole: what was not flushed was never there. */
  flush() {
    const done = this.done;
    this.done = { written: 0, unchanged: 0, deleted: 0 };
    if (done.written + done.deleted > 0) {
      const people = [...this.people.values()].sort((a, b) => a.id - b.id);
      files.write(FOLDER, FILE, utf8Bytes(JSON.stringify(people, null, 1)));
    }
    return done;
  }
}

export const people = () => stream("people", FIELDS, { write: "upsert,delete", empty: load().size === 0 });

export function load() {
  if (!files.list(FOLDER).some(({ path }) => path === FILE)) return new Map();
  try {
    return new Map(JSON.parse(utf8Text(files.read(FOLDER, FILE))).map((person) => [person.id, person]));
  } catch (error) {
    if (error instanceof PluginError) throw error;
    throw new PluginError("permanent", `\`${FILE}\` is not what this plugin wrote: ${error.message}`);
  }
}
