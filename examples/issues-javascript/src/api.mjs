// The tracker's API: what is asked, and what its answers mean.
import { PluginError, http } from "lockstep-plugin-sdk";

export const issues = ({ repository }) => `/repos/${repository}/issues`;

/** The sentence an answer gives for a failure, with what it complains about in single fields. */
function complaint(answer) {
  let said = {};
  try {
    said = answer.json() ?? {};
  } catch {
    // A page for people: its beginning is told as detail.
  }
  const fields = Array.isArray(said.errors) ? said.errors.map((error) => error?.message ?? `${error?.field}: ${error?.code}`) : [];
  return [said.message ?? `the tracker answered ${answer.status}`, ...fields].join("; ");
}

/** What an answer that is no success means. */
export function failure(answer) {
  const message = complaint(answer);
  const said = { code: `http.${answer.status}`, detail: answer.text.slice(0, 200) };
  // Limits are told as 403 with a header that says so.
  if (answer.status === 403 && (answer.headers["x-ratelimit-remaining"] === "0" || /rate limit/i.test(message))) {
    const seconds = Number(answer.headers["retry-after"] ?? 60);
    return new PluginError("rate-limited", message, { ...said, retryAfterMs: Math.max(1, seconds || 60) * 1000 });
  }
  if (answer.status === 401 || answer.status === 403) return new PluginError("auth", message, said);
  if (answer.status === 404 || answer.status === 410) return new PluginError("not-found", message, said);
  if (answer.status === 422 || answer.status === 400) return new PluginError("invalid-data", message, said);
  return new PluginError(answer.status >= 500 ? "transient" : "permanent", message, said);
}

/** A page of issues and where the next one is. */
export function list(target) {
  const answer = http.get(target, { headers: { accept: "application/json" } });
  if (!answer.ok) throw failure(answer);
  const found = answer.json();
  if (Array.isArray(found)) return { found, clock: Date.parse(answer.headers.date ?? "") };
  throw new PluginError("permanent", "the answer is no list of issues", { code: "issues.list", detail: answer.text.slice(0, 200) });
}

/** The issue that an answer holds; an error if it holds none, whatever its status says. */
export function issueOf(answer) {
  if (!answer.ok) throw failure(answer);
  const found = answer.json();
  if (Number.isSafeInteger(found?.number)) return found;
  throw new PluginError("permanent", "the answer is no issue", { code: "issues.issue", detail: answer.text.slice(0, 200) });
}
