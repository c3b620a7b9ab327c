"""Run: PYTHONPATH=src:.lockstep/sdk/python python3 -m unittest discover -s tests"""

import pathlib
import unittest

import plugin
from cards import cards
from lockstep import testing

CONTACTS = pathlib.Path(__file__).parent.parent / "contacts"


def read(**books):
    testing.provide(files=testing.Files(contacts={f"{name}.vcf": text for name, text in books.items()}))
    return list(testing.pages(plugin.VCards, "contacts"))


def card(*lines):
    return "\r\n".join(["BEGIN:VCARD", *lines, "END:VCARD", ""]).encode()


class VCards(unittest.TestCase):
    def test_the_examples(self):
        testing.provide(files=testing.Files(contacts={path.name: path.read_bytes() for path in CONTACTS.iterdir()}))
        ann, jurgen, bo = testing.read(plugin.VCards, "contacts")
        self.assertEqual((ann["name"], ann["email"], ann["phone"]), ("Ann Example", "ann@example.com", "+49-30-123456"))
        self.assertEqual(ann["note"], "Likes tea, not coffee\nCall after six")
        self.assertEqual(str(ann["birthday"]), "1985-04-12")
        self.assertEqual((jurgen["name"], jurgen["id"]), ("Jürgen Müller", "family.vcf#13"))
        self.assertEqual(bo["organization"], "Example; Sons, Sales")
        self.assertIn("program that wrote it", bo["note"])

    def test_what_makes_no_sense_is_put_aside(self):
        page, = read(a=card("UID:1", "FN:Fine") + card("UID:2", "no colon") + card("UID:1", "FN:Twice") + b"BEGIN:VCARD\nFN:Cut")
        self.assertEqual([row["name"] for row in page.rows], ["Fine"])
        self.assertEqual([rejected.position for rejected in page.rejected], ["a.vcf, line 5", "a.vcf, line 9", "a.vcf, line 13"])
        self.assertIn("a second time", page.rejected[1].reason)

    def test_bytes_that_are_no_text_are_put_aside(self):
        page, = read(a=card("FN:Ok", "UID:1") + b"BEGIN:VCARD\nFN:\xff\xfe\nEND:VCARD\n" + card("FN;CHARSET=nonsense:x"))
        self.assertEqual((len(page.rows), len(page.rejected)), (1, 2))

    def test_other_files_are_nothing(self):
        for text in (b"", b"<html>login</html>", b"END:VCARD\nEND:VCARD\n", b"\0" * 1000):
            self.assertEqual(list(cards(text)), [])

    def test_cards_inside_of_cards_are_not_mixed_up(self):
        page, = read(a=card("UID:1", "FN:Outer", "AGENT:", "BEGIN:VCARD", "FN:Inner", "END:VCARD", "NOTE:mine"))
        self.assertEqual([(row["name"], row["note"]) for row in page.rows], [("Outer", "mine")])

    def test_a_reading_goes_on_behind_the_last_file(self):
        books = {name: card(f"UID:{name}", f"FN:{name}") for name in "abc"}
        testing.provide(files=testing.Files(contacts={f"{name}.vcf": text for name, text in books.items()}))
        first = next(testing.pages(plugin.VCards, "contacts", rows=2))
        self.assertEqual(first.status, "more")
        rest = testing.read(plugin.VCards, "contacts", cursor=first.cursor)
        self.assertEqual({row["id"] for row in first.rows} | {row["id"] for row in rest}, set("abc"))
