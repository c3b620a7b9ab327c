// The people that were written, read.
import { plugin } from "lockstep-plugin-sdk";

import { load, people } from "./sink.mjs";

export default plugin({
  source: {
    discover: () => [people()],

    *read() {
      yield* load().values();
    },
  },
});
