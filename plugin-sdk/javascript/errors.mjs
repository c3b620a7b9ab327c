/** What goes wrong, in the words of the contract: the host decides what to do on `kind` alone. */

const KINDS = [
  "auth", "config", "not-found", "conflict", "invalid-data", "rate-limited", "transient", "permanent", "stale-cursor", "other",
];

/**
 * An error for the host. `transient` and `rate-limited` are tried again, `invalid-data` becomes a dead letter, `stale-cursor`
 * starts a full reading, everything else ends the run. The message is one sentence in lower case without a final period, and
 * never holds a secret. What is said besides `code` and `retryAfterMs` (`field`, `hint`, `detail`) becomes a property.
 */
export class PluginError extends Error {
  constructor(kind, message, { code = "", retryAfterMs = null, ...properties } = {}) {
    if (!KINDS.includes(kind)) throw new RangeError(`there is no kind of error \`${kind}\`; the kinds are ${KINDS.join(", ")}`);
    super(message);
    this.name = "PluginError";
    Object.assign(this, { kind, code, retryAfterMs });
    this.properties = Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, String(value)]));
  }

  /** Whether what was asked for may have been done nevertheless. */
  get outcomeUnknown() {
    return this.properties.outcome === "unknown";
  }
}

/** The error for the host that something thrown stands for; one nobody foresaw is a mistake in the plugin. */
export function of(thrown) {
  if (thrown instanceof PluginError) return thrown;
  const name = thrown?.name ?? typeof thrown;
  const place = /\(?([^\s(]+:\d+:\d+)\)?/.exec(thrown?.stack ?? "")?.[1];
  const message = `${name}: ${thrown?.message ?? String(thrown)}${place ? ` (${place})` : ""}`;
  return new PluginError("other", message, { code: `javascript.${name}`, detail: String(thrown?.stack ?? "").trim().slice(0, 2000) });
}
