// Two greetings, to start from.
import { plugin, stream } from "lockstep-plugin-sdk";

const greetings = stream("greetings", { id: "int64 key", text: "text" });

export default plugin({
  source: {
    discover: () => [greetings],

    *read() {
      yield { id: 1, text: "hello" };
      yield { id: 2, text: "world" };
    },
  },
});
