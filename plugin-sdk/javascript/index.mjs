/** Write Lockstep plugins in JavaScript. What most plugins need. */

export { files, http, log } from "./capabilities.mjs";
export { PluginError } from "./errors.mjs";
export { Since, follow, pages } from "./lists.mjs";
export { Checkpoint, Deleted, Rejected } from "./reading.mjs";
export { plugin, stream } from "./sides.mjs";
export { decode as utf8Text, encode as utf8Bytes } from "./utf8.mjs";
