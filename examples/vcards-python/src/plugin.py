"""Contacts from vCard files: a folder of address books becomes one stream."""

import json
import re
from datetime import date, datetime, timezone

from lockstep import Json, Rejected, Source, export, field, files, key, record, stream

from cards import cards, components, unescaped

FOLDER = "contacts"


@record
class Contact:
    id: str = key()
    name: str | None
    given_name: str | None
    family_name: str | None
    organization: str | None
    email: str | None
    emails: Json
    phone: str | None
    phones: Json
    birthday: date | None
    note: str | None
    revised: datetime | None
    file: str = field(properties={"comment": "The file the card stands in"})


@export
class VCards(Source):
    def discover(self, names):
        return [stream("contacts", Contact)]

    def read(self, request):
        """File by file, in the same order each time: a reading that was interrupted goes on behind the last card that was told."""
        seen = set()
        for entry in files.list(FOLDER):
            if not entry.path.lower().endswith((".vcf", ".vcard")):
                continue
            for card in cards(files.read(FOLDER, entry.path)):
                yield one(card, entry.path, seen)


def one(card, path, seen):
    position = f"{path}, line {card.line}"
    if card.problem:
        return Rejected(position, card.raw, card.problem)
    contact = contact_of(card, path)
    # Two records with one key would take turns in the target; a person has to say which one is right.
    if contact.id in seen:
        return Rejected(position, card.raw, f"the contact `{contact.id}` stands in these files a second time")
    seen.add(contact.id)
    return contact


def contact_of(card, path):
    name = components(card.first("N") or "")
    emails, phones = ([unescaped(value).removeprefix("tel:") for value in card.all(part)] for part in ("EMAIL", "TEL"))
    organization = [part for part in components(card.first("ORG") or "") if part]
    return Contact(
        id=unescaped(card.first("UID") or "") or f"{path}#{card.line}",
        name=unescaped(card.first("FN") or "") or " ".join(part for part in [*name[1:2], *name[:1]] if part) or None,
        given_name=name[1] if len(name) > 1 and name[1] else None,
        family_name=name[0] or None,
        organization=", ".join(organization) or None,
        email=unescaped(card.first("EMAIL") or "") or None,
        emails=Json(json.dumps(emails, ensure_ascii=False)),
        phone=unescaped(card.first("TEL") or "").removeprefix("tel:") or None,
        phones=Json(json.dumps(phones, ensure_ascii=False)),
        birthday=day(card.first("BDAY")),
        note=unescaped(card.first("NOTE") or "") or None,
        revised=moment(card.first("REV")),
        file=path,
    )


def day(text):
    """A birthday; None for those without a year (`--0203`) and for nonsense."""
    found = re.match(r"(\d{4})-?(\d\d)-?(\d\d)", text or "")
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def moment(text):
    found = re.match(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)", text or "")
    try:
        return datetime(*map(int, found.groups()), tzinfo=timezone.utc) if found else None
    except ValueError:
        return None
