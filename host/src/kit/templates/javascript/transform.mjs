// White space at the ends of text goes, to start from.
import { plugin } from "lockstep-plugin-sdk";

const trimmed = (value) => (typeof value === "string" ? value.trim() : value);

export default plugin({
  transform: {
    apply: (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, trimmed(value)])),
  },
});
