
test("people are kept", () => {
  const out = {};
  provide({ files: fakeFiles({ out }) });
  const ann = { id: 1, name: "Ann", email: null };
  assert.equal(write(plugin, "people", [new Row("upsert", ann)]).written, 1);
  assert.equal(write(plugin, "people", [new Row("upsert", ann)]).unchanged, 1);
  assert.equal(write(plugin, "people", [new Row("delete", { id: 1 })]).deleted, 1);
});
