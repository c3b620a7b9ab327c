"""People in a file of JSON, to start from."""

import json

from lockstep import Flushed, PluginError, Sink, export, files, key, record, stream

FOLDER, FILE = "out", "people.json"


@record
class Person:
    id: int = key()
    name: str | None
    email: str | None


@export
class People(Sink):
    def describe(self, name):
        if name != "people":
            return None
        return stream("people", Person, write="upsert,delete", empty="false" if load() else "true")

    def open(self, request):
        return Writer()


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
            people = [person for _, person in sorted(self.people.items())]
            files.write(FOLDER, FILE, json.dumps(people, ensure_ascii=False, indent=1).encode())
        return done


def load():
    if all(entry.path != FILE for entry in files.list(FOLDER)):
        return {}
    try:
        return {person["id"]: person for person in json.loads(files.read(FOLDER, FILE))}
    except (ValueError, KeyError, TypeError) as error:
        raise PluginError("permanent", f"`{FILE}` is not what this plugin wrote: {error}") from error
