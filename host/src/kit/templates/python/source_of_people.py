"""The people that were written, read."""

from lockstep import Source, export

from sink import load, people


@export
class WrittenPeople(Source):
    def discover(self, names):
        return [people()]

    def read(self, request):
        yield from load().values()
