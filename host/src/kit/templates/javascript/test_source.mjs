
test("it greets", () => {
  assert.deepEqual(read(plugin, "greetings"), [{ id: 1, text: "hello" }, { id: 2, text: "world" }]);
});
