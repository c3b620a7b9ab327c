// The tracker's API: what is asked, and what its answers mean.
import { PluginError, http } from "lockstep-plugin-sdk";

export const issues = ({ repository }) => `/repos/${repository}/issues`;

/** A page of issues and where the next one is. */
export function list(target) {
  const answer = http.get(target, { headers: { accept: "application/json" } });
  const found = answer.value();
  if (Array.isArray(found)) return { found, clock: Date.parse(answer.headers.date ?? "") };
  throw new PluginError("permanent", "the answer is no list of issues", { code: "issues.list", detail: answer.text.slice(0, 200) });
}

/** The issue that an answer holds; an error if it holds none, whatever its status says. */
export function issueOf(answer) {
  const found = answer.value();
  if (Number.isSafeInteger(found?.number)) return found;
  throw new PluginError("permanent", "the answer is no issue", { code: "issues.issue", detail: answer.text.slice(0, 200) });
}
