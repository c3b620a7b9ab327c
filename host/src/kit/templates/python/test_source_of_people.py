    def test_people_are_read(self):
        testing.provide(files=testing.Files(out={"people.json": b'[{"id": 1, "name": "Ann", "email": null}]'}))
        self.assertEqual(testing.read(exported("source"), "people"), [{"id": 1, "name": "Ann", "email": None}])
