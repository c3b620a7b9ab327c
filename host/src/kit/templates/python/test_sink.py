    def test_people_are_kept(self):
        folder = {}
        testing.provide(files=testing.Files(out=folder))
        ann = {"id": 1, "name": "Ann", "email": None}
        self.assertEqual(testing.write(exported("sink"), "people", [Row("upsert", ann)]).written, 1)
        self.assertEqual(testing.write(exported("sink"), "people", [Row("upsert", ann)]).unchanged, 1)
        self.assertIn(b"Ann", folder["people.json"])
        self.assertEqual(testing.write(exported("sink"), "people", [Row("delete", {"id": 1})]).deleted, 1)
