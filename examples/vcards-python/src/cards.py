"""vCards out of bytes: RFC 6350 (4.0), RFC 2426 (3.0) and what phones still write as 2.1. It must not know Lockstep."""

import quopri
from dataclasses import dataclass, field

CARD_BYTES_MAX = 1 << 20


class Malformed(Exception):
    """A card that cannot be understood: why."""


@dataclass
class Property:
    name: str
    parameters: dict
    value: str


@dataclass
class Card:
    """A card with the place where it stands and the text it was read from."""

    line: int
    raw: bytes
    properties: list = field(default_factory=list)
    problem: str = ""

    def first(self, name):
        """The preferred value of a property, or the first; None without one that says anything."""
        found = [part for part in self.properties if part.name == name and part.value.strip()]
        found.sort(key=lambda part: part.parameters.get("PREF", "") == "" and "PREF" not in part.parameters.get("TYPE", "").upper())
        return found[0].value if found else None

    def all(self, name):
        return [part.value for part in self.properties if part.name == name and part.value.strip()]


def cards(data):
    """Every card of a file, also those that make no sense; what stands between cards is left out."""
    begun, lines, depth = 0, [], 0
    for number, line in enumerate(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), start=1):
        word = line.strip().upper()
        if word == b"BEGIN:VCARD":
            if depth == 0:
                begun, lines = number, []
            depth += 1
        if depth:
            lines.append(line)
        if word == b"END:VCARD" and depth:
            depth -= 1
            if depth == 0:
                yield _card(begun, lines)
    if depth:
        yield Card(begun, b"\n".join(lines), problem="it has no END:VCARD")


def _card(begun, lines):
    card = Card(begun, b"\n".join(lines))
    try:
        if len(card.raw) > CARD_BYTES_MAX:
            raise Malformed(f"it has more than {CARD_BYTES_MAX} bytes")
        # The first line and the last are BEGIN and END; cards inside of this one (an AGENT) are not its own.
        depth = 0
        for line in _unfolded(lines[1:-1]):
            word = line.strip().upper()
            depth += (word == b"BEGIN:VCARD") - (word == b"END:VCARD")
            if depth == 0 and word not in (b"", b"END:VCARD"):
                card.properties.append(_property(line))
    except Malformed as error:
        card.problem = str(error)
    return card


def _unfolded(lines):
    """Lines that begin with white space go on with the one before; quoted-printable ones end with `=` instead."""
    whole = []
    for line in lines:
        quoted = whole and b"QUOTED-PRINTABLE" in whole[-1].split(b":")[0].upper() and whole[-1].endswith(b"=")
        if quoted:
            whole[-1] = whole[-1][:-1] + line.lstrip()
        elif whole and line[:1] in (b" ", b"\t"):
            whole[-1] += line[1:]
        else:
            whole.append(line)
    return whole


def _property(line):
    head, value = _split_value(line)
    name, *parameters = _split(head, b";")
    said = {}
    for parameter in parameters:
        key, _, content = parameter.partition(b"=")
        # 2.1 writes types without their name.
        key, content = (key, content) if content else (b"ENCODING" if key.upper() in (b"QUOTED-PRINTABLE", b"BASE64") else b"TYPE", key)
        key = key.decode("ascii", "replace").upper()
        said[key] = ",".join(filter(None, [said.get(key), content.decode("utf-8", "replace").strip('"')]))
    encoding = said.get("ENCODING", "").upper()
    if encoding == "QUOTED-PRINTABLE":
        value = quopri.decodestring(value)
    if encoding in ("B", "BASE64"):
        value = b""
    # A group before the name: `item1.EMAIL`.
    name = name.rsplit(b".", 1)[-1].decode("ascii", "replace").strip().upper()
    return Property(name, said, _text(value, said.get("CHARSET", "utf-8")))


def _split_value(line):
    inside = False
    for at, byte in enumerate(line):
        if byte == 0x22:
            inside = not inside
        elif byte == 0x3A and not inside:
            return line[:at], line[at + 1:]
    raise Malformed(f"the line `{line[:60].decode('utf-8', 'replace')}` has no colon")


def _split(head, mark):
    parts, inside, begin = [], False, 0
    for at, byte in enumerate(head):
        if byte == 0x22:
            inside = not inside
        elif byte == mark[0] and not inside:
            parts.append(head[begin:at])
            begin = at + 1
    return [*parts, head[begin:]]


def _text(value, charset):
    try:
        return value.decode(charset)
    except (UnicodeDecodeError, LookupError):
        raise Malformed(f"a value is no {charset}") from None


def unescaped(text):
    r"""`\n`, `\,`, `\;` and `\\` as what they stand for."""
    result, escaped = [], False
    for letter in text:
        if escaped:
            result.append("\n" if letter in "nN" else letter)
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            result.append(letter)
    return "".join(result).strip()


def components(text):
    """The parts of a structured value (`N`, `ADR`, `ORG`), unescaped."""
    parts, part, escaped = [], "", False
    for letter in text:
        if letter == ";" and not escaped:
            parts.append(part)
            part = ""
            continue
        escaped = letter == "\\" and not escaped
        part += letter
    return [unescaped(part) for part in [*parts, part]]
