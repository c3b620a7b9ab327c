// An API that cannot be had, as its vendor's documentation describes it: `server.mjs FOLDER API`.
//
// Below `/-/` it does what tests want behind the API's back: `POST /-/state` takes a piece of state, `GET /-/state` shows it all,
// `GET /-/calls` says what was called since it was last asked.
import { createServer } from 'node:http';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, name] = process.argv.slice(2);
const api = await import(`./${name}.mjs`);

let calls = {};
// Faults that were ordered: the next so many requests whose method and path begin like this are answered in this way.
let faults = [];

function json(status, body, headers = {}) {
  const text = body === undefined ? '' : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return { status, headers: { 'content-type': 'application/json', ...headers }, text };
}

function control(request) {
  if (request.path === '/-/calls') {
    const told = calls;
    calls = {};
    return json(200, told);
  }
  if (request.path === '/-/faults') {
    faults.push(...request.body);
    return json(200, faults);
  }
  if (request.method === 'POST') api.change(request.body);
  return json(200, api.show());
}

async function fault(request) {
  const found = faults.find((fault) => fault.count > 0 && `${request.method} ${request.path}`.startsWith(fault.at));
  if (!found) return undefined;
  found.count -= 1;
  // Carried out, and not told.
  if (found.after) await answer(request);
  return found.cut ? 'cut' : { status: found.status, headers: { 'content-type': found.kind ?? 'application/json', ...found.headers }, text: found.body ?? '' };
}

async function answer(request) {
  const answered = await api.handle(request);
  return json(answered.status ?? 200, answered.body, answered.headers);
}

const server = createServer((incoming, outgoing) => {
  const chunks = [];
  incoming.on('data', (chunk) => chunks.push(chunk));
  incoming.on('end', async () => {
    const url = new URL(incoming.url, 'http://localhost');
    const text = Buffer.concat(chunks).toString();
    const isJson = (incoming.headers['content-type'] ?? '').includes('json');
    let body;
    try {
      body = isJson && text ? JSON.parse(text) : text;
    } catch {
      body = undefined;
    }
    const request = { method: incoming.method, path: url.pathname, query: url.searchParams, headers: incoming.headers, body, text };
    let told;
    if (url.pathname.startsWith('/-/')) {
      told = control(request);
    } else {
      const called = `${request.method} ${api.called ? api.called(request) : request.path}`;
      calls[called] = (calls[called] ?? 0) + 1;
      told = (await fault(request)) ?? (await answer(request));
    }
    if (told === 'cut') {
      outgoing.socket.destroy();
      return;
    }
    outgoing.writeHead(told.status, told.headers);
    outgoing.end(told.text);
  });
});
server.listen(0, '127.0.0.1', () => {
  writeFileSync(join(folder, 'pid'), String(process.pid));
  writeFileSync(join(folder, 'port.new'), String(server.address().port));
  renameSync(join(folder, 'port.new'), join(folder, 'port'));
});
