    def test_text_is_trimmed(self):
        self.assertEqual(exported("transform")({}).apply({"id": 1, "name": " Ann "}), {"id": 1, "name": "Ann"})
