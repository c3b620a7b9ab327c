// An org of Salesforce's, as far as the plugin needs one: written from the vendor's documentation of the REST API.
//
// Argument: a folder. `pid` and `port` are written there, and `public.pem` is read from it, if it is there, to check who wants a token.
// `/-/run` runs a text with `org` (its records) and `site` (the server) at hand; `/-/calls` says what was asked, and forgets it.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Org, long } from './org.mjs';
import { Malformed } from './soql.mjs';
import { Bulk } from './bulk.mjs';
import { Events } from './events.mjs';

const [folder] = process.argv.slice(2);
const org = new Org();
const site = {
  /** Requests of the day, and how many there may be. */
  used: 0,
  limit: 100000,
  /** Whether a token is needed, and how many requests each is good for. */
  isLocked: false,
  uses: Infinity,
  tokens: new Map(),
  granted: 0,
  /** What the server calls itself in its links. */
  name: '',
  calls: {},
  /** Asked before anything else: whether they have answered. */
  routes: [],
  /** Whose jobs they are. */
  user: '005Ab0000000001AAB',
};
site.bulk = new Bulk(org, site);
site.events = new Events(org);

const json = (response, status, body, headers = {}) => {
  response.writeHead(status, { 'content-type': 'application/json;charset=UTF-8', ...headers });
  response.end(body === undefined ? '' : JSON.stringify(body));
};
const refuse = (response, status, errorCode, message) => json(response, status, [{ message, errorCode }]);

async function text(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** OAuth 2.0 JWT bearer (RFC 7523), as the vendor wants it: RS256, and no `expires_in` in the answer. */
async function token(request, response) {
  const form = new URLSearchParams(await text(request));
  const fail = (error, description) => json(response, 400, { error, error_description: description });
  if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') return fail('unsupported_grant_type', 'grant type not supported');
  const [head, body, signature] = (form.get('assertion') ?? '').split('.');
  const key = path.join(folder, 'public.pem');
  const decoded = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
  const isSigned = fs.existsSync(key) && decoded(head).alg === 'RS256'
    && crypto.verify('RSA-SHA256', Buffer.from(`${head}.${body}`), fs.readFileSync(key, 'utf8'), Buffer.from(signature ?? '', 'base64url'));
  const claims = decoded(body);
  if (!isSigned) return fail('invalid_grant', 'invalid assertion');
  if (!claims.iss || !claims.sub) return fail('invalid_grant', "user hasn't approved this consumer");
  if (claims.aud !== 'https://login.salesforce.com') return fail('invalid_grant', 'audience is invalid');
  if (claims.exp * 1000 < Date.now()) return fail('invalid_grant', 'expired authorization code');
  const access = `00D000000000001!${crypto.randomBytes(24).toString('hex')}`;
  site.tokens.set(access, site.uses);
  site.granted++;
  json(response, 200, { access_token: access, scope: 'api', instance_url: site.name, id: `${site.name}/id/00D/005`, token_type: 'Bearer' });
}

/** Whether the request may go on. */
function admit(request, response) {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  const left = site.tokens.get(given) ?? 0;
  if (site.isLocked && left <= 0) {
    refuse(response, 401, 'INVALID_SESSION_ID', 'Session expired or invalid');
    return false;
  }
  site.tokens.set(given, left - 1);
  site.used++;
  response.setHeader('Sforce-Limit-Info', `api-usage=${site.used}/${site.limit}`);
  if (site.used > site.limit) {
    refuse(response, 403, 'REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.');
    return false;
  }
  return true;
}

const batchSize = (request) => {
  const wanted = Number(/batchSize=(\d+)/.exec(request.headers['sforce-query-options'] ?? '')?.[1] ?? 2000);
  return Math.min(org.page, Math.max(200, wanted), 2000);
};

function sendPage(request, response, locator, records, at) {
  const end = at + batchSize(request);
  const body = { totalSize: records.length, done: end >= records.length, records: records.slice(at, end) };
  if (!body.done) body.nextRecordsUrl = `${site.name}/services/data/v62.0/query/${locator}-${end}`;
  else org.locators.delete(locator);
  json(response, 200, body);
}

function query(request, response, url, all) {
  const records = org.query(url.searchParams.get('q') ?? '', all);
  const locator = `01g${(++org.count).toString(36).padStart(15, '0')}`;
  org.locators.set(locator, records);
  sendPage(request, response, locator, records, 0);
}

function more(request, response, name) {
  const [, locator, at] = /^(.+)-(\d+)$/.exec(name) ?? [];
  const records = org.locators.get(locator);
  if (!records) return refuse(response, 400, 'INVALID_QUERY_LOCATOR', 'invalid query locator');
  sendPage(request, response, locator, records, Number(at));
}

const described = (name) => {
  const { label, fields, isEvent = false } = org.object(name);
  const can = { queryable: !isEvent, replicateable: !isEvent, createable: true, updateable: !isEvent, deletable: !isEvent, custom: name.endsWith('__c') };
  return { name, label, ...can, fields };
};

/** A record, or an event: that is told later, and success only means that it will be. */
function create(name, record) {
  if (!org.object(name).isEvent) return org.create(name, record);
  const values = org.understood(name, record);
  const replay = site.events.publish(`/event/${name}`, { CreatedDate: new Date(org.now).toISOString(), CreatedById: site.user, ...values });
  return { id: 'e01xx0000000001AAA', success: true, errors: [{ statusCode: 'OPERATION_ENQUEUED', message: `uuid-${replay}`, fields: [] }] };
}

/** The log of deletes: to the minute, for fifteen days, and it does not know what was taken out of the bin again. */
function deleted(response, name, url) {
  const minute = (text) => Math.floor(Date.parse(text) / 60000) * 60000;
  const [start, end] = ['start', 'end'].map((name) => minute(url.searchParams.get(name)));
  const earliest = Math.max(org.now - 15 * 86400000, org.logFrom);
  if (!(end - start >= 60000) || end > org.now || start < org.now - 30 * 86400000) {
    return refuse(response, 400, 'INVALID_REPLICATION_DATE', 'startDate before org replication enabled date');
  }
  const { prefix } = org.object(name);
  const found = org.deletes.filter(({ id, at }) => id.startsWith(prefix) && at >= start && at < end);
  const shown = (millis) => new Date(millis).toISOString().replace('Z', '+0000');
  json(response, 200, {
    deletedRecords: found.map(({ id, at }) => ({ id, deletedDate: shown(at) })),
    earliestDateAvailable: shown(earliest), latestDateCovered: shown(end),
  });
}

/** Collections of records, and records by their Ids. */
function collection(request, response, below, url, body) {
  const list = (results) => json(response, 200, results);
  if (request.method === 'DELETE') {
    const ids = url.searchParams.get('ids').split(',');
    return ids.length > 200 ? refuse(response, 400, 'EXCEEDED_ID_LIMIT', 'record limit reached') : list(ids.map((id) => org.delete(id)));
  }
  const given = JSON.parse(body);
  if (request.method === 'POST' && below.length === 1) {
    const names = given.fields.map((name) => org.field(below[0], name).name);
    if (given.ids.length > 2000) return refuse(response, 400, 'EXCEEDED_ID_LIMIT', 'record limit reached');
    const one = (id) => {
      const record = org.find(id);
      const shown = record && org.shown(record);
      return shown && !shown.IsDeleted ? org.view(below[0], shown, names) : null;
    };
    return list(given.ids.map(one));
  }
  const { records, allOrNone } = given;
  if (allOrNone !== false) return refuse(response, 400, 'NOT_IMPLEMENTED', 'all or none');
  if (records.length > 200) return refuse(response, 400, 'INVALID_BATCH_SIZE', 'record limit reached. cannot submit more than 200 records into this call');
  // What cannot be understood ends the request before anything is done.
  for (const record of records) org.understood(record.attributes.type, record);
  if (request.method === 'POST') return list(records.map((record) => create(record.attributes.type, record)));
  if (below.length === 2) return list(records.map((record) => org.upsert(below[0], below[1], record)));
  return list(records.map((record) => org.update(record.attributes.type, record.Id ?? record.id, record)));
}

function api(request, response, parts, url, body) {
  const [first, ...rest] = parts;
  switch (first) {
    case 'sobjects':
      if (rest.length === 0) {
        return json(response, 200, { encoding: 'UTF-8', maxBatchSize: 200, sobjects: Object.keys(org.objects).map((name) => ({ ...described(name), fields: undefined })) });
      }
      if (!org.objects[rest[0]]) return refuse(response, 404, 'NOT_FOUND', 'The requested resource does not exist');
      if (rest[1] === 'deleted') return deleted(response, rest[0], url);
      return json(response, 200, described(rest[0]));
    case 'query': case 'queryAll':
      return rest[0] ? more(request, response, rest[0]) : query(request, response, url, first === 'queryAll');
    case undefined:
      return json(response, 200, { sobjects: '/services/data/v62.0/sobjects', identity: `https://login.salesforce.com/id/00D000000000001EAA/${site.user}` });
    case 'jobs':
      return site.bulk.answer(request, response, rest, url, body);
    case 'composite':
      return collection(request, response, rest.slice(1), url, body);
    default:
      return refuse(response, 404, 'NOT_FOUND', 'The requested resource does not exist');
  }
}

async function answer(request, response) {
  const url = new URL(request.url, 'http://here');
  if (url.pathname === '/-/calls') {
    json(response, 200, site.calls);
    site.calls = {};
    return;
  }
  if (url.pathname === '/-/run') {
    try {
      return json(response, 200, (await new Function('org', 'site', 'long', await text(request))(org, site, long)) ?? null);
    } catch (error) {
      return json(response, 500, String(error.stack));
    }
  }
  response.setHeader('Date', new Date(org.now).toUTCString());
  const [, ...parts] = url.pathname.replace(/\/+$/, '').split('/');
  const name = `${request.method} ${parts.slice(parts[1] === 'data' ? 3 : 0).join('/').replace(/^query\/.*/, 'query/…').replace(/\/750\w{15}/, '/…')}`;
  site.calls[name] = (site.calls[name] ?? 0) + 1;
  if (url.pathname === '/services/oauth2/token') return token(request, response);
  if (!admit(request, response)) return;
  const body = await text(request);
  for (const route of site.routes) if (await route(request, response, parts, url, body)) return;
  if (parts[0] === 'cometd' && parts[1] === '62.0') return site.events.answer(request, response, body);
  if (parts[0] !== 'services' || parts[2] !== 'v62.0') return refuse(response, 404, 'NOT_FOUND', 'The requested resource does not exist');
  try {
    api(request, response, parts.slice(3), url, body);
  } catch (error) {
    if (error instanceof Malformed) return refuse(response, 400, error.code, error.message);
    if (error instanceof SyntaxError) return refuse(response, 400, 'JSON_PARSER_ERROR', error.message);
    refuse(response, 500, 'UNKNOWN_EXCEPTION', String(error.stack));
  }
}

const server = http.createServer({ maxHeaderSize: 16384 }, (request, response) => void answer(request, response));
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  // As behind a proxy: not what the client calls it.
  site.name = 'https://na1.example.com';
  const temporary = path.join(folder, 'port.new');
  fs.writeFileSync(path.join(folder, 'pid'), String(process.pid));
  fs.writeFileSync(temporary, String(port));
  fs.renameSync(temporary, path.join(folder, 'port'));
});
