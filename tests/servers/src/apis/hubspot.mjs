// HubSpot's CRM objects, API v3, after its OpenAPI document of contacts, companies and deals.
//
// Properties are strings; e-mail addresses are unique and stored in lower case; every write moves the time of the last change, also one
// that changes nothing; search shows what was there when it was last indexed, 10,000 results at most; batches take 100 inputs.

const MODIFIED = { contacts: 'lastmodifieddate', companies: 'hs_lastmodifieddate', deals: 'hs_lastmodifieddate' };
const PROPERTIES = {
  email: 'string', firstname: 'string', lastname: 'string', phone: 'phone_number', annualrevenue: 'number', lifecyclestage: 'enumeration',
  birthday: 'date', subscribed: 'bool', name: 'string', domain: 'string', dealname: 'string', amount: 'number', closedate: 'datetime',
  erp_number: 'string',
};
// A property of one's own whose values are unique.
const UNIQUE = { contacts: 'email', companies: 'erp_number', deals: 'erp_number' };
const STAGES = ['', 'subscriber', 'lead', 'opportunity', 'customer'];
const READ_ONLY = ['hs_object_id', 'createdate', 'lastmodifieddate', 'hs_lastmodifieddate'];

// What bodies look like, by the published documents: names with `?` may be missing, and there are no others.
const TRACED = { 'objectWriteTraceId?': 'string' };
const ASKED = {
  search: { filterGroups: [{ filters: [{ propertyName: 'string', operator: 'string', 'value?': 'string', 'values?': ['string'] }] }], limit: 'integer', after: 'string', properties: ['string'], sorts: ['string'] },
  'batch/read': { inputs: [{ id: 'string' }], properties: ['string'], propertiesWithHistory: ['string'], 'idProperty?': 'string' },
  'batch/create': { inputs: [{ properties: 'strings', associations: [{}], ...TRACED }] },
  'batch/update': { inputs: [{ id: 'string', properties: 'strings', 'idProperty?': 'string', ...TRACED }] },
  'batch/upsert': { inputs: [{ id: 'string', properties: 'strings', 'idProperty?': 'string', ...TRACED }] },
  'batch/archive': { inputs: [{ id: 'string' }] },
};
const OBJECT = { id: 'string', properties: 'object', createdAt: 'string', updatedAt: 'string', archived: 'boolean', 'archivedAt?': 'string', ...TRACED };
const FAILED = { status: 'string', category: 'string', message: 'string', errors: [{}], links: 'object', context: 'object' };
const batched = (object) => ({ status: 'string', results: [object], startedAt: 'string', completedAt: 'string', 'numErrors?': 'integer', 'errors?': [FAILED] });
const PAGING = { 'paging?': { next: { after: 'string', 'link?': 'string' } } };
const ANSWERED = {
  '': { results: [{ ...OBJECT, 'associations?': 'object' }], ...PAGING },
  search: { total: 'integer', results: [OBJECT], ...PAGING },
  'batch/read': batched(OBJECT),
  'batch/create': batched(OBJECT),
  'batch/update': batched(OBJECT),
  'batch/upsert': batched({ ...OBJECT, new: 'boolean' }),
};

// Why a value is not of a shape.
function strange(shape, value, at) {
  const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  if (Array.isArray(shape)) return Array.isArray(value) ? value.map((element, n) => strange(shape[0], element, `${at}[${n}]`)).find(Boolean) : `${at} is no list`;
  if (shape === 'integer') return Number.isInteger(value) ? undefined : `${at} is no whole number`;
  if (shape === 'object') return isObject ? undefined : `${at} is no object`;
  if (shape === 'strings') return isObject && Object.values(value).every((text) => typeof text === 'string') ? undefined : `${at} is not all strings`;
  if (typeof shape === 'string') return typeof value === shape ? undefined : `${at} is no ${shape}`;
  if (!isObject) return `${at} is no object`;
  if (Object.keys(shape).length === 0) return undefined;
  const unknown = Object.keys(value).find((name) => !(name in shape) && !(`${name}?` in shape));
  if (unknown) return `${at}.${unknown} is not known`;
  for (const [name, inner] of Object.entries(shape)) {
    const own = name.replace('?', '');
    if (value[own] === undefined && !name.endsWith('?')) return `${at}.${own} is missing`;
    const found = value[own] === undefined ? undefined : strange(inner, value[own], `${at}.${own}`);
    if (found) return found;
  }
  return undefined;
}

// What it answers itself has to be as published, too.
function checked(rest, answered) {
  const shape = (answered.status ?? 200) < 300 ? ANSWERED[rest] : undefined;
  const misfit = shape ? strange(shape, answered.body, 'answer') : undefined;
  if (misfit) throw new Error(misfit);
  return answered;
}

const objects = { contacts: new Map(), companies: new Map(), deals: new Map() };
let indexed = structuredClone(objects);
let lags = false;
let next = 1000;
// A clock that stands still where a test wants many records of one time.
let clock = null;

const now = () => new Date(clock ?? Date.now()).toISOString();
const index = () => { if (!lags) indexed = structuredClone(objects); };

function error(status, category, message, context = {}) {
  return { status, body: { status: 'error', message, correlationId: 'aeb5f871-7f07-4993-9211-075dc63e7cbf', category, context } };
}

function invalid(type, properties, own) {
  for (const [name, value] of Object.entries(properties)) {
    if (READ_ONLY.includes(name)) return error(400, 'VALIDATION_ERROR', `Property "${name}" is read only`);
    const kind = PROPERTIES[name];
    if (!kind) return error(400, 'VALIDATION_ERROR', `Property "${name}" does not exist`);
    if (typeof value !== 'string') return error(400, 'VALIDATION_ERROR', `Property "${name}" is not a string`);
    if (kind === 'number' && value !== '' && Number.isNaN(Number(value))) return error(400, 'VALIDATION_ERROR', `${value} was not a valid number.`);
    if (name === 'lifecyclestage' && !STAGES.includes(value)) return error(400, 'VALIDATION_ERROR', `${value} was not one of the allowed options`);
    if (kind === 'bool' && !['', 'true', 'false'].includes(value)) return error(400, 'VALIDATION_ERROR', `${value} was not one of the allowed options`);
  }
  if (type === 'contacts' && properties.email && !properties.email.includes('@')) return error(400, 'VALIDATION_ERROR', `Email address ${properties.email} is invalid`);
  const unique = properties[UNIQUE[type]];
  const other = unique ? find(type, unique, UNIQUE[type]) : undefined;
  if (other && other !== own) return error(409, 'CONFLICT', `${type} already exists. Existing ID: ${other.id}`);
  return undefined;
}

function write(type, record, properties) {
  for (const [name, value] of Object.entries(properties)) {
    record.properties[name] = value === '' ? null : name === 'email' ? value.toLowerCase() : value;
  }
  record.updatedAt = now();
  record.properties[MODIFIED[type]] = record.updatedAt;
}

function create(type, properties) {
  const id = String(next++);
  const record = { id, properties: { hs_object_id: id, createdate: now() }, createdAt: now(), updatedAt: now(), archived: false };
  write(type, record, properties);
  objects[type].set(id, record);
  return record;
}

function shown(record, properties) {
  const wanted = ['hs_object_id', 'createdate', ...(properties ?? [])];
  const values = Object.fromEntries(wanted.map((name) => [name, record.properties[name] ?? null]));
  return { id: record.id, properties: values, createdAt: record.createdAt, updatedAt: record.updatedAt, archived: record.archived };
}

function list(type, query) {
  const limit = Number(query.get('limit') ?? 10);
  if (limit > 100) return error(400, 'VALIDATION_ERROR', 'Page size is too large');
  const archived = query.get('archived') === 'true';
  const after = Number(query.get('after') ?? 0);
  const all = [...objects[type].values()].filter((record) => record.archived === archived && Number(record.id) > after);
  const page = all.slice(0, limit);
  const others = query.get('associations')?.split(',') ?? [];
  const linked = (record) => Object.fromEntries(others.filter((other) => record.links?.[other]).map((other) => [other, { results: record.links[other].map((id) => ({ id, type: `${type}_to_${other}` })) }]));
  const whole = (record) => (record.links && others.length ? { associations: linked(record) } : {});
  const body = { results: page.map((record) => ({ ...shown(record, query.get('properties')?.split(',')), ...whole(record) })) };
  if (all.length > limit) body.paging = { next: { after: page.at(-1).id, link: 'https://api.hubapi.com/next' } };
  return { body };
}

function fits(record, filter) {
  const value = filter.propertyName === 'hs_object_id' ? record.id : record.properties[filter.propertyName];
  if (value === null || value === undefined) return false;
  const number = (text) => (/^\d+$/.test(text) ? Number(text) : Date.parse(text));
  switch (filter.operator) {
    case 'GTE': return number(value) >= number(filter.value);
    case 'GT': return number(value) > number(filter.value);
    case 'EQ': return value === filter.value;
    case 'IN': return filter.values.includes(value);
    default: throw new Error(filter.operator);
  }
}

function search(type, body) {
  const limit = body.limit ?? 10;
  const after = Number(body.after ?? 0);
  if (limit > 200) return error(400, 'VALIDATION_ERROR', 'Page size is too large');
  if (after + limit > 10000) return error(400, 'VALIDATION_ERROR', 'Paging through results is limited to 10000');
  index();
  const found = [...indexed[type].values()].filter(
    (record) => !record.archived && (body.filterGroups ?? []).some((group) => group.filters.every((filter) => fits(record, filter))),
  );
  if ((body.sorts ?? [])[0] === 'hs_object_id') found.sort((one, other) => Number(one.id) - Number(other.id));
  const page = found.slice(after, after + limit);
  const answer = { total: found.length, results: page.map((record) => shown(record, body.properties)) };
  if (after + limit < found.length) answer.paging = { next: { after: String(after + limit) } };
  return { body: answer };
}

function find(type, id, property) {
  const records = [...objects[type].values()].filter((record) => !record.archived);
  const wanted = property === 'email' ? id.toLowerCase() : id;
  return records.find((record) => (property ? record.properties[property] : record.id) === wanted);
}

function batch(type, deed, body) {
  const inputs = body.inputs ?? [];
  if (inputs.length > 100) return error(400, 'VALIDATION_ERROR', 'Batch size is limited to 100');
  const started = now();
  if (deed === 'archive') {
    inputs.map((input) => find(type, input.id)).filter(Boolean).forEach((record) => { record.archived = true; record.archivedAt = now(); });
    return { status: 204 };
  }
  const [results, errors] = [[], []];
  const fail = (input, failed) => errors.push({ status: 'error', category: failed.body.category, message: failed.body.message, errors: [], links: {}, context: { ...failed.body.context, ...(input.objectWriteTraceId ? { objectWriteTraceId: [input.objectWriteTraceId] } : { ids: [input.id] }) } });
  const traced = (input, record, more = {}) => ({ ...shown(record, Object.keys(input.properties ?? {})), ...(input.objectWriteTraceId ? { objectWriteTraceId: input.objectWriteTraceId } : {}), ...more });
  for (const input of inputs) {
    const property = deed === 'read' ? body.idProperty : input.idProperty;
    const own = input.id === undefined ? undefined : find(type, input.id, property);
    if (deed === 'read') {
      if (own) results.push(shown(own, body.properties));
      else fail(input, error(404, 'OBJECT_NOT_FOUND', `Could not get some ${type} objects`));
      continue;
    }
    if (deed === 'update' && !own) {
      fail(input, error(404, 'OBJECT_NOT_FOUND', 'resource not found'));
      continue;
    }
    const failed = invalid(type, input.properties, own);
    if (failed) {
      fail(input, failed);
      // Without trace ids one input that is wrong refuses the whole batch.
      if (!input.objectWriteTraceId) return failed;
      continue;
    }
    if (own) write(type, own, input.properties);
    const record = own ?? create(type, { ...input.properties, ...(input.idProperty ? { [input.idProperty]: input.id } : {}) });
    results.push(traced(input, record, deed === 'upsert' ? { new: !own } : {}));
  }
  // Results come in an order of their own.
  if (deed !== 'read') results.reverse();
  const answer = { status: 'COMPLETE', results, startedAt: started, completedAt: now() };
  if (errors.length) Object.assign(answer, { numErrors: errors.length, errors });
  return { status: errors.length ? 207 : deed === 'create' ? 201 : 200, body: answer };
}

function properties() {
  const all = [...Object.entries(PROPERTIES), ['hs_object_id', 'number'], ['createdate', 'datetime'], ['lastmodifieddate', 'datetime'], ['hs_lastmodifieddate', 'datetime']];
  return { body: { results: all.map(([name, type]) => ({ name, label: name, type, fieldType: 'text', modificationMetadata: { archivable: true, readOnlyDefinition: true, readOnlyValue: READ_ONLY.includes(name) } })) } };
}

export function handle({ method, path, query, body, headers }) {
  if (headers.authorization !== 'Bearer pat-na1-secret-of-hubspot') return error(401, 'INVALID_AUTHENTICATION', 'Authentication credentials not found.');
  const described = path.match(/^\/crm\/v3\/properties\/(\w+)$/);
  if (described && objects[described[1]]) return properties();
  const [, type, rest] = path.match(/^\/crm\/v3\/objects\/(\w+)\/?(.*)$/) ?? [];
  if (!objects[type]) return { status: 404, body: 'not found' };
  const misfit = method === 'POST' && ASKED[rest] ? strange(ASKED[rest], body, 'body') : undefined;
  if (misfit) return error(400, 'VALIDATION_ERROR', `Invalid input JSON: ${misfit}`);
  return checked(rest, answer(type, method, rest, query, body));
}

function answer(type, method, rest, query, body) {
  if (method === 'GET' && rest === '') return list(type, query);
  if (method === 'POST' && rest === 'search') return search(type, body);
  const deed = rest.match(/^batch\/(\w+)$/)?.[1];
  if (method === 'POST' && deed) return batch(type, deed, body);
  return error(405, 'VALIDATION_ERROR', 'no such method');
}

export function change({ add, edit, archive, link, lag, time, type = 'contacts' }) {
  if (time !== undefined) clock = time;
  if (lag !== undefined) { lags = false; index(); lags = lag; }
  for (const properties of add ?? []) create(type, properties);
  for (const [id, properties] of Object.entries(edit ?? {})) write(type, objects[type].get(id), properties);
  for (const [id, links] of Object.entries(link ?? {})) objects[type].get(id).links = links;
  for (const id of archive ?? []) objects[type].get(id).archived = true;
}

export function show() {
  return Object.fromEntries(Object.entries(objects).map(([type, records]) => [type, [...records.values()]]));
}
