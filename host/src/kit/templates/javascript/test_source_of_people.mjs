
test("people are read", () => {
  const ann = { id: 1, name: "Ann", email: null };
  provide({ files: fakeFiles({ out: { "people.json": new TextEncoder().encode(JSON.stringify([ann])) } }) });
  assert.deepEqual(read(plugin, "people"), [ann]);
});
