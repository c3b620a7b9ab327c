    def test_it_greets(self):
        rows = testing.read(exported("source"), "greetings")
        self.assertEqual(rows, [{"id": 1, "text": "hello"}, {"id": 2, "text": "world"}])
