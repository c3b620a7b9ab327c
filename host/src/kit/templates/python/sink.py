"""People in a file of JSON, to start from."""

import json

from lockstep import Flushed, Lookup, PluginError, Sink, export, files, key, record, stream

FOLDER, FILE = "out", "people.json"


@record
class Person:
    id: int = key()
    name: str | None
    email: str | None


@export
class People(Sink, Lookup):
    def describe(self, name):
        return people() if name == "people" else None

    def open(self, request):
        return Writer()

    def lookup(self, request, keys):
        """Found by their keys, as the host looks before it writes again what it knows nothing of."""
        known = load()
        return [known[key["id"]] for key in keys if key["id"] in known]


class Writer:
    def __init__(self):
        self.people, self.done = load(), Flushed()

    def write(self, rows):
        for row in rows:
            number = row.values["id"]
            if row.kind == "delete":
                self.done.deleted += self.people.pop(number, None) is not None
                continue
            # What a row says nothing about stays as it is.
            person = self.people.get(number, {}) | row.values
            if self.people.get(number) == person:
                self.done.unchanged += 1
            else:
                self.people[number] = person
                self.done.written += 1

    def flush(self):
        """The file is replaced as a whole: what was not flushed was never there."""
        done, self.done = self.done, Flushed()
        if done.written or done.deleted:
            text = json.dumps([person for _, person in sorted(self.people.items())], ensure_ascii=False, indent=1)
            files.write(FOLDER, FILE, text.encode())
        return done


def people():
    return stream("people", Person, write="upsert,delete", empty="false" if load() else "true")


def load():
    if all(entry.path != FILE for entry in files.list(FOLDER)):
        return {}
    try:
        return {person["id"]: person for person in json.loads(files.read(FOLDER, FILE).decode())}
    except (ValueError, KeyError, TypeError) as error:
        raise PluginError("permanent", f"`{FILE}` is not what this plugin wrote: {error}") from error
