// Shopify's GraphQL Admin API: customers and products, as far as the manifest asks, after its reference.
//
// Failures of users are `userErrors` with 200; a bucket of points is drained by each request and refilled with time, and a request it
// cannot pay is THROTTLED with 200 as well. It knows the operations by their root field, and answers all fields there are.

const stores = { Customer: new Map(), Product: new Map() };
let next = 1;
let clock = null;
let points = 2000;

const now = () => new Date(clock ?? Date.now()).toISOString().replace(/\.\d+Z$/, 'Z');
const gid = (type, number) => `gid://shopify/${type}/${number}`;

const INPUT = {
  Customer: ['email', 'phone', 'firstName', 'lastName', 'note', 'tags', 'taxExempt', 'locale'],
  Product: ['title', 'descriptionHtml', 'handle', 'vendor', 'productType', 'status', 'tags'],
};

function shown(type, record) {
  if (type === 'Product') return record;
  const { email, phone, ...rest } = record;
  return { ...rest, defaultEmailAddress: email ? { emailAddress: email } : null, defaultPhoneNumber: phone ? { phoneNumber: phone } : null };
}

function wrong(type, input, own) {
  const unknown = Object.keys(input).find((name) => name !== 'id' && !INPUT[type].includes(name));
  if (unknown) return { top: `Variable $input of type ${type}Input! was provided invalid value for ${unknown} (Field is not defined on ${type}Input)` };
  const error = (field, message) => ({ user: [{ field: [field], message }] });
  if (type === 'Customer') {
    const taken = (name) => input[name] && [...stores.Customer.values()].some((known) => known !== own && known[name]?.toLowerCase() === input[name].toLowerCase());
    if (input.email && !input.email.includes('@')) return error('email', 'Email is invalid');
    if (taken('email')) return error('email', 'Email has already been taken');
    if (taken('phone')) return error('phone', 'Phone has already been taken');
  }
  if (type === 'Product' && !own && !input.title) return error('title', "Title can't be blank");
  return undefined;
}

function write(record, { id: _, ...input }) {
  Object.assign(record, input, { updatedAt: now() });
  return record;
}

function create(type, input) {
  const empty = type === 'Customer'
    ? { email: null, phone: null, firstName: null, lastName: null, note: null, tags: [], taxExempt: false, numberOfOrders: '0', amountSpent: { amount: '0.0', currencyCode: 'EUR' } }
    : { title: '', handle: '', descriptionHtml: '', vendor: '', productType: '', status: 'ACTIVE', tags: [] };
  const record = write({ id: gid(type, next++), ...empty, createdAt: now() }, input);
  stores[type].set(record.id, record);
  return record;
}

function list(type, { first, after, query }) {
  const since = query?.match(/updated_at:>='([^']+)'/)?.[1];
  const number = (id) => Number(id.split('/').at(-1));
  const from = after ? Number(Buffer.from(after, 'base64').toString()) : 0;
  const all = [...stores[type].values()].filter((record) => number(record.id) > from && (!since || record.updatedAt >= since));
  const nodes = all.slice(0, first);
  const endCursor = nodes.length ? Buffer.from(String(number(nodes.at(-1).id))).toString('base64') : null;
  return { nodes: nodes.map((record) => shown(type, record)), pageInfo: { hasNextPage: all.length > first, endCursor } };
}

function mutate(type, deed, variables) {
  const input = variables.input ?? variables.product;
  const name = type.toLowerCase();
  const own = stores[type].get(input.id);
  if (deed !== 'Create' && !own) return { [name]: null, userErrors: [{ field: ['id'], message: `${type} does not exist` }] };
  if (deed === 'Delete') {
    stores[type].delete(input.id);
    return { [`deleted${type}Id`]: input.id, userErrors: [] };
  }
  const found = wrong(type, input, own);
  if (found?.top) throw new Error(found.top);
  if (found?.user) return { [name]: null, userErrors: found.user };
  return { [name]: shown(type, own ? write(own, input) : create(type, input)), userErrors: [] };
}

function answer(query, variables) {
  const deed = query.match(/(customer|product)(Create|Update|Delete)\(/);
  if (deed) {
    const type = deed[1] === 'customer' ? 'Customer' : 'Product';
    return { [deed[0].slice(0, -1)]: mutate(type, deed[2], variables) };
  }
  if (query.includes('nodes(ids:')) return { nodes: variables.ids.map((id) => { const type = id.split('/')[3]; const record = stores[type]?.get(id); return record ? shown(type, record) : null; }) };
  if (query.includes('customerByIdentifier(')) {
    const address = variables.email.toLowerCase();
    const found = [...stores.Customer.values()].find((record) => record.email?.toLowerCase() === address);
    return { customerByIdentifier: found ? shown('Customer', found) : null };
  }
  if (query.includes('customers(')) return { customers: list('Customer', variables) };
  return { products: list('Product', variables) };
}

export function handle({ method, path, body, headers }) {
  if (headers['x-shopify-access-token'] !== 'shpat_0123456789abcdef') return { status: 401, body: { errors: '[API] Invalid API key or access token (unrecognized login or wrong password)' } };
  if (method !== 'POST' || !/^\/admin\/api\/\d{4}-\d{2}\/graphql\.json$/.test(path)) return { status: 404, body: { errors: 'Not Found' } };
  const cost = { requestedQueryCost: 10, throttleStatus: { maximumAvailable: 2000, currentlyAvailable: points, restoreRate: 100 } };
  if (points < 10) {
    points = 2000;
    return { body: { errors: [{ message: 'Throttled', extensions: { code: 'THROTTLED', documentation: 'https://shopify.dev/api/usage/rate-limits' } }], extensions: { cost } } };
  }
  points -= 10;
  try {
    return { body: { data: answer(body.query, body.variables ?? {}), extensions: { cost } } };
  } catch (error) {
    return { body: { errors: [{ message: error.message, extensions: { code: 'INVALID_VARIABLE' } }] } };
  }
}

export const called = ({ body }) => body?.query?.match(/(\w+)\(/g)?.[1]?.slice(0, -1) ?? 'graphql';

export function change({ type = 'Customer', add, edit, remove, time, left }) {
  if (time !== undefined) clock = time;
  if (left !== undefined) points = left;
  for (const input of add ?? []) create(type, input);
  for (const [id, input] of Object.entries(edit ?? {})) write(stores[type].get(id), input);
  for (const id of remove ?? []) stores[type].delete(id);
}

export const show = () => Object.fromEntries(Object.entries(stores).map(([type, all]) => [type, [...all.values()]]));
