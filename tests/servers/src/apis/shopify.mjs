// Shopify's GraphQL Admin API: customers and products, as far as the manifest asks, after its reference.
//
// Failures of users are `userErrors` with 200; a bucket of points is drained by each request and refilled with time, and a request it
// cannot pay is THROTTLED with 200 as well. Queries are checked and carried out by `graphql` from npm after the part of the schema that
// the reference has of these objects.
import { buildSchema, graphql } from 'graphql';

const stores = { Customer: new Map(), Product: new Map() };
let next = 1;
let clock = null;
let points = 2000;

const now = () => new Date(clock ?? Date.now()).toISOString().replace(/\.\d+Z$/, 'Z');
const gid = (type, number) => `gid://shopify/${type}/${number}`;

const schema = buildSchema(`
  scalar DateTime
  scalar Decimal
  scalar HTML
  scalar UnsignedInt64
  enum CurrencyCode { EUR USD }
  enum ProductStatus { ACTIVE ARCHIVED DRAFT }
  enum CustomerSortKeys { CREATED_AT ID LOCATION NAME RELEVANCE UPDATED_AT }
  enum ProductSortKeys { CREATED_AT ID INVENTORY_TOTAL PRODUCT_TYPE PUBLISHED_AT RELEVANCE TITLE UPDATED_AT VENDOR }
  interface Node { id: ID! }
  type MoneyV2 { amount: Decimal!, currencyCode: CurrencyCode! }
  type CustomerEmailAddress { emailAddress: String! }
  type CustomerPhoneNumber { phoneNumber: String! }
  type Customer implements Node {
    id: ID!, defaultEmailAddress: CustomerEmailAddress, defaultPhoneNumber: CustomerPhoneNumber, firstName: String, lastName: String
    note: String, tags: [String!]!, taxExempt: Boolean!, locale: String!, numberOfOrders: UnsignedInt64!, amountSpent: MoneyV2!
    createdAt: DateTime!, updatedAt: DateTime!
  }
  type Product implements Node {
    id: ID!, title: String!, handle: String!, descriptionHtml: HTML!, vendor: String!, productType: String!, status: ProductStatus!
    tags: [String!]!, createdAt: DateTime!, updatedAt: DateTime!
  }
  type PageInfo { hasNextPage: Boolean!, hasPreviousPage: Boolean!, startCursor: String, endCursor: String }
  type CustomerConnection { nodes: [Customer!]!, pageInfo: PageInfo! }
  type ProductConnection { nodes: [Product!]!, pageInfo: PageInfo! }
  type UserError { field: [String!], message: String! }
  input CustomerIdentifierInput @oneOf { id: ID, emailAddress: String, phoneNumber: String }
  input CustomerInput {
    id: ID, email: String, phone: String, firstName: String, lastName: String, note: String, tags: [String!], taxExempt: Boolean, locale: String
  }
  input CustomerDeleteInput { id: ID! }
  input ProductCreateInput {
    title: String, handle: String, descriptionHtml: String, vendor: String, productType: String, status: ProductStatus, tags: [String!]
  }
  input ProductUpdateInput {
    id: ID, title: String, handle: String, descriptionHtml: String, vendor: String, productType: String, status: ProductStatus, tags: [String!]
  }
  input ProductDeleteInput { id: ID! }
  type CustomerPayload { customer: Customer, userErrors: [UserError!]! }
  type CustomerDeletePayload { deletedCustomerId: ID, userErrors: [UserError!]! }
  type ProductPayload { product: Product, userErrors: [UserError!]! }
  type ProductDeletePayload { deletedProductId: ID, userErrors: [UserError!]! }
  type Query {
    customers(first: Int, after: String, query: String, sortKey: CustomerSortKeys = ID, reverse: Boolean = false): CustomerConnection!
    products(first: Int, after: String, query: String, sortKey: ProductSortKeys = ID, reverse: Boolean = false): ProductConnection!
    nodes(ids: [ID!]!): [Node]!
    customerByIdentifier(identifier: CustomerIdentifierInput!): Customer
  }
  type Mutation {
    customerCreate(input: CustomerInput!): CustomerPayload
    customerUpdate(input: CustomerInput!): CustomerPayload
    customerDelete(input: CustomerDeleteInput!): CustomerDeletePayload
    productCreate(product: ProductCreateInput): ProductPayload
    productUpdate(product: ProductUpdateInput): ProductPayload
    productDelete(input: ProductDeleteInput!): ProductDeletePayload
  }
`);

function shown(type, record) {
  if (type === 'Product') return { __typename: type, ...record };
  const { email, phone, ...rest } = record;
  return { __typename: type, ...rest, defaultEmailAddress: email ? { emailAddress: email } : null, defaultPhoneNumber: phone ? { phoneNumber: phone } : null };
}

function wrong(type, input, own) {
  const error = (field, message) => [{ field: [field], message }];
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
    ? { email: null, phone: null, firstName: null, lastName: null, note: null, tags: [], taxExempt: false, locale: 'en', numberOfOrders: '0', amountSpent: { amount: '0.0', currencyCode: 'EUR' } }
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
  return { nodes: nodes.map((record) => shown(type, record)), pageInfo: { hasNextPage: all.length > first, hasPreviousPage: from > 0, startCursor: null, endCursor } };
}

function mutate(type, deed, input) {
  const name = type.toLowerCase();
  const own = stores[type].get(input.id);
  if (deed !== 'Create' && !own) return { [name]: null, userErrors: [{ field: ['id'], message: `${type} does not exist` }] };
  if (deed === 'Delete') {
    stores[type].delete(input.id);
    return { [`deleted${type}Id`]: input.id, userErrors: [] };
  }
  const userErrors = wrong(type, input, own);
  if (userErrors) return { [name]: null, userErrors };
  return { [name]: shown(type, own ? write(own, input) : create(type, input)), userErrors: [] };
}

const root = {
  customers: (asked) => list('Customer', asked),
  products: (asked) => list('Product', asked),
  nodes: ({ ids }) => ids.map((id) => { const type = id.split('/')[3]; const record = stores[type]?.get(id); return record ? shown(type, record) : null; }),
  customerByIdentifier({ identifier }) {
    const address = identifier.emailAddress?.toLowerCase();
    const found = [...stores.Customer.values()].find((record) => record.id === identifier.id || (address && record.email?.toLowerCase() === address));
    return found ? shown('Customer', found) : null;
  },
};
for (const type of ['Customer', 'Product']) {
  for (const deed of ['Create', 'Update', 'Delete']) root[type.toLowerCase() + deed] = (asked) => mutate(type, deed, asked.input ?? asked.product);
}

async function carriedOut({ query, variables }) {
  const { data, errors } = await graphql({ schema, source: query, rootValue: root, variableValues: variables });
  if (!errors) return { data };
  const code = (error) => (error.message.startsWith('Variable') ? 'INVALID_VARIABLE' : 'undefinedField');
  return { errors: errors.map((error) => ({ message: error.message, locations: error.locations, extensions: { code: code(error) } })) };
}

export async function handle({ method, path, body, headers }) {
  if (headers['x-shopify-access-token'] !== 'shpat_0123456789abcdef') return { status: 401, body: { errors: '[API] Invalid API key or access token (unrecognized login or wrong password)' } };
  if (method !== 'POST' || !/^\/admin\/api\/\d{4}-\d{2}\/graphql\.json$/.test(path)) return { status: 404, body: { errors: 'Not Found' } };
  const cost = { requestedQueryCost: 10, throttleStatus: { maximumAvailable: 2000, currentlyAvailable: points, restoreRate: 100 } };
  if (points < 10) {
    points = 2000;
    return { body: { errors: [{ message: 'Throttled', extensions: { code: 'THROTTLED', documentation: 'https://shopify.dev/api/usage/rate-limits' } }], extensions: { cost } } };
  }
  points -= 10;
  return { body: { ...(await carriedOut(body)), extensions: { cost } } };
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
