
test("text is trimmed", () => {
  assert.deepEqual(plugin.transform.apply({ id: 1, name: " Ann " }), { id: 1, name: "Ann" });
});
