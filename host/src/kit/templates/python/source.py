"""Two greetings, to start from."""

from lockstep import Source, export, key, record, stream


@record
class Greeting:
    id: int = key()
    text: str


@export
class Greetings(Source):
    def discover(self, names):
        return [stream("greetings", Greeting)]

    def read(self, request):
        for number, text in enumerate(["hello", "world"], start=1):
            yield Greeting(id=number, text=text)
