// Tests that need no host. Run: npm test
import assert from "node:assert/strict";
import test from "node:test";

import { {{names}} } from "lockstep-plugin-sdk/testing";
import plugin from "../src/plugin.mjs";
{{tests}}
