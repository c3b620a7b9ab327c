// Customers behind `soap` from npm, at `/crm`, with a UsernameToken where `/-/guard` wants one; what tests do behind its back is below `/-/`.
import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import soap from "soap";

const folder = process.argv[2];
const wsdl = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "crm.wsdl"), "utf8");
let customers = new Map();
let next = 1;
let clock = Date.parse("2026-01-01T00:00:00Z");
// What is there from the beginning is older than any lookback.
const DAY = 86_400_000;
let calls = {};
let writes = 0;
let password = null;
let seen = [];

const list = (value) => (value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]);
const text = (value) => (value !== null && typeof value === "object" && "$value" in value ? value.$value : value);
const shown = (customer) => {
  const out = {};
  for (const name of ["Id", "Changed", "Number", "Name", "Credit", "Blocked", "Since"]) {
    if (customer[name] === null) out[name] = { attributes: { "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance", "xsi:nil": "true" } };
    else if (customer[name] !== undefined) out[name] = customer[name];
  }
  if (customer.Tag?.length) out.Tag = customer.Tag;
  return out;
};
const fault = (code, message, detail) => {
  throw { Fault: { faultcode: `soap:${code}`, faultstring: message, detail }, statusCode: 500 };
};
const counted = (name) => {
  calls[name] = (calls[name] ?? 0) + 1;
};

const operations = {
  ListCustomers({ After, ChangedSince, Limit }) {
    counted("ListCustomers");
    const since = ChangedSince ? Date.parse(ChangedSince) : -Infinity;
    const found = [...customers.values()]
      .filter((customer) => customer.Id > Number(After ?? 0) && Date.parse(customer.Changed) >= since)
      .sort((a, b) => a.Id - b.Id)
      .slice(0, Number(Limit));
    return found.length ? { Result: { Customer: found.map(shown) } } : {};
  },
  FindCustomers({ Id, Number: numbers }) {
    counted("FindCustomers");
    const ids = new Set(list(Id).map(Number));
    const wanted = new Set(list(numbers).map(String));
    const found = [...customers.values()].filter((customer) => ids.has(customer.Id) || wanted.has(customer.Number));
    return { Result: { Customer: found.map(shown) } };
  },
  SaveCustomer({ Customer }) {
    counted("SaveCustomer");
    const name = text(Customer.Name);
    if (name === "refuse me") fault("Client", "the name is refused", { ErrorCode: "BAD_NAME" });
    if (name === "break down") fault("Server", "object reference not set to an instance of an object");
    const id = Customer.Id === undefined ? next : Number(Customer.Id);
    if (Customer.Id !== undefined && !customers.has(id)) fault("Client", "no such customer", { ErrorCode: "NOT_FOUND" });
    const twin = [...customers.values()].find((known) => known.Number === Customer.Number && known.Id !== id);
    if (Customer.Number !== undefined && twin) fault("Client", "the number is taken", { ErrorCode: "TAKEN" });
    const customer = customers.get(id) ?? { Id: next++ };
    for (const field of ["Number", "Name", "Credit", "Blocked", "Since"]) {
      if (Customer[field] !== undefined) customer[field] = text(Customer[field]);
    }
    if (typeof customer.Credit === "string") customer.Credit = Number(customer.Credit).toFixed(2);
    if (Customer.Tag !== undefined) customer.Tag = list(Customer.Tag).map(text);
    clock += 1000;
    customer.Changed = new Date(clock).toISOString();
    customers.set(customer.Id, customer);
    writes += 1;
    if (name === "say nothing") fault("Server", "the connection to the bus was lost");
    return { Id: customer.Id };
  },
  DeleteCustomer({ Id }) {
    counted("DeleteCustomer");
    if (!customers.delete(Number(Id))) fault("Client", "no such customer", { ErrorCode: "NOT_FOUND" });
    writes += 1;
    return {};
  },
};

const body = async (request) => {
  let all = "";
  for await (const part of request) all += part;
  return all;
};
const back = async (request, response) => {
  const told = await body(request);
  const answers = {
    "/-/calls": () => {
      const before = calls;
      calls = {};
      return before;
    },
    "/-/state": () => [...customers.values()].sort((a, b) => a.Id - b.Id),
    "/-/writes": () => writes,
    "/-/seen": () => seen,
    "/-/guard": () => {
      password = JSON.parse(told).password;
    },
    "/-/seed": () => {
      for (const customer of JSON.parse(told)) {
        const known = customer.Id ? customers.get(customer.Id) : undefined;
        const whole = { Id: next, Changed: new Date(clock - DAY).toISOString(), Tag: [], ...known, ...customer };
        next = Math.max(next, whole.Id + 1);
        customers.set(whole.Id, whole);
      }
    },
  };
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(answers[request.url]() ?? null));
};

// A service has one clock: the one its records are stamped with.
class Answer extends ServerResponse {
  constructor(...request) {
    super(...request);
    this.setHeader("Date", new Date(clock).toUTCString());
  }
}
const server = createServer({ ServerResponse: Answer }, (request, response) => {
  if (request.url.startsWith("/-/")) back(request, response);
});
const service = soap.listen(server, { path: "/crm", services: { CrmService: { CrmPort: operations } }, xml: wsdl, handleNilAsNull: true });
service.authenticate = (security) => {
  if (password === null) return true;
  const token = security?.UsernameToken;
  const given = token?.Password;
  if (!given || token.Username !== "lockstep") return false;
  seen.push(String(given.attributes?.Type ?? "").split("#").pop());
  if (String(given.attributes?.Type).endsWith("#PasswordText")) return given.$value === password;
  const nonce = Buffer.from(token.Nonce?.$value ?? token.Nonce, "base64");
  const digest = createHash("sha1").update(nonce).update(token.Created).update(password).digest("base64");
  return given.$value === digest;
};
server.listen(0, "127.0.0.1", () => {
  writeFileSync(join(folder, "pid"), String(process.pid));
  // Whole, or not at all: somebody waits for it.
  writeFileSync(join(folder, "port.new"), String(server.address().port));
  renameSync(join(folder, "port.new"), join(folder, "port"));
});
