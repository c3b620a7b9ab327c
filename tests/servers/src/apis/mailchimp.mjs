// Mailchimp's Marketing API 3.0: members of one list, after its reference.
//
// A member is called by the MD5 of its address in lower case; deleting archives; the batch of a list makes members and answers errors with 200.
import { createHash } from 'node:crypto';

const LIST = 'a1b2c3d4e5';
const hash = (address) => createHash('md5').update(address.toLowerCase()).digest('hex');
const members = new Map();
const FIELDS = [['FNAME', 'text'], ['LNAME', 'text'], ['POINTS', 'number'], ['ADDRESS', 'address']];
let signup = 0;
let clock = null;

const now = () => new Date(clock ?? Date.now()).toISOString().replace(/\.\d+Z$/, '+00:00');

function problem(status, title, detail, errors = []) {
  return { status, body: { type: 'https://mailchimp.com/developer/marketing/docs/errors/', title, status, detail, instance: 'x', errors }, headers: { 'content-type': 'application/problem+json; charset=utf-8' } };
}

function invalid(member) {
  if (member.email_address !== undefined && !/^[^@\s]+@[^@\s]+\.[a-z]+$/i.test(member.email_address)) return 'Please provide a valid email address.';
  if (member.status !== undefined && !['subscribed', 'unsubscribed', 'cleaned', 'pending', 'transactional'].includes(member.status)) return 'The resource submitted could not be validated.';
  const points = member.merge_fields?.POINTS;
  if (points !== undefined && points !== '' && Number.isNaN(Number(points))) return 'Your merge fields were invalid.';
  return undefined;
}

function write(member, change) {
  const { merge_fields: fields, status_if_new: _, ...rest } = change;
  Object.assign(member, rest);
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (FIELDS.some(([known]) => known === name)) member.merge_fields[name] = value;
  }
  members.delete(member.id);
  member.id = hash(member.email_address);
  member.last_changed = now();
  members.set(member.id, member);
  return member;
}

function create(change) {
  signup += 1;
  const merge = Object.fromEntries(FIELDS.map(([name]) => [name, '']));
  return write({ id: '', list_id: LIST, unique_email_id: `u${signup}`, status: 'subscribed', vip: false, language: '', merge_fields: merge, signup }, change);
}

const shown = ({ signup: _, ...member }) => member;
const there = () => [...members.values()].filter((member) => member.status !== 'archived').sort((one, other) => one.signup - other.signup);

function list(query) {
  const count = Math.min(Number(query.get('count') ?? 10), 1000);
  const offset = Number(query.get('offset') ?? 0);
  const since = query.get('since_last_changed');
  const all = there().filter((member) => !since || Date.parse(member.last_changed) >= Date.parse(since));
  return { body: { members: all.slice(offset, offset + count).map(shown), list_id: LIST, total_items: all.length } };
}

function batch({ members: given, update_existing: updates }) {
  if (given.length > 500) return problem(400, 'Invalid Resource', 'more than 500 members');
  const answer = { new_members: [], updated_members: [], errors: [] };
  for (const member of given) {
    const fail = (error, code) => answer.errors.push({ email_address: member.email_address, error, error_code: code });
    const wrong = invalid(member);
    const own = members.get(hash(member.email_address));
    if (wrong) fail(wrong, 'ERROR_GENERIC');
    else if (own && own.status !== 'archived' && !updates) fail(`${member.email_address} is already a list member, do you want to update? please provide update_existing:true in the request body`, 'ERROR_CONTACT_EXISTS');
    else if (own && own.status !== 'archived') answer.updated_members.push(shown(write(own, member)));
    else answer.new_members.push(shown(own ? write(own, member) : create(member)));
  }
  return { body: { ...answer, total_created: answer.new_members.length, total_updated: answer.updated_members.length, error_count: answer.errors.length } };
}

function one(method, id, body) {
  const own = members.get(id);
  const isThere = own && own.status !== 'archived';
  if (!isThere && method !== 'PUT') return problem(404, 'Resource Not Found', 'The requested resource could not be found.');
  if (method === 'GET') return { body: shown(own) };
  if (method === 'DELETE') {
    own.status = 'archived';
    return { status: 204 };
  }
  const wrong = invalid(body);
  if (wrong) return problem(400, 'Invalid Resource', wrong);
  if (isThere) return { body: shown(write(own, body)) };
  return { body: shown(create({ status: body.status_if_new, ...body })) };
}

export function handle({ method, path, query, body, headers }) {
  const key = Buffer.from(headers.authorization?.split(' ')[1] ?? '', 'base64').toString();
  if (!key.endsWith(':0123456789abcdef0123456789abcdef-us6')) return problem(401, 'API Key Invalid', "Your API key may be invalid, or you've attempted to access the wrong datacenter.");
  const rest = path.startsWith(`/3.0/lists/${LIST}`) ? path.slice(`/3.0/lists/${LIST}`.length) : undefined;
  if (rest === '/merge-fields') return { body: { merge_fields: FIELDS.map(([tag, type], at) => ({ merge_id: at + 1, tag, name: tag, type })), total_items: FIELDS.length } };
  if (rest === '' && method === 'POST') return batch(body);
  if (rest === '/members' && method === 'GET') return list(query);
  const id = rest?.match(/^\/members\/([0-9a-f]{32})$/)?.[1];
  return id ? one(method, id, body) : problem(404, 'Resource Not Found', 'The requested resource could not be found.');
}

export const called = ({ path }) => path.replace(/[0-9a-f]{32}/, '{hash}');

export function change({ add, edit, remove, time }) {
  if (time !== undefined) clock = time;
  for (const member of add ?? []) create(member);
  for (const [address, changed] of Object.entries(edit ?? {})) write(members.get(hash(address)), changed);
  for (const address of remove ?? []) members.delete(hash(address));
}

export const show = () => ({ members: there().map(shown) });
