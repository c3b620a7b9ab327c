// WooCommerce's REST API v3: products, customers and orders with refunds, after its reference.
//
// Prices are strings; pages have 100 records at most, and headers say how many there are; a batch answers each failure in its place,
// with 200; a product that is deleted without force goes to the trash.

const stores = { products: new Map(), customers: new Map(), orders: new Map() };
const refunds = new Map();
let next = 1;
let clock = null;

const now = () => new Date(clock ?? Date.now()).toISOString().slice(0, 19);

function problem(status, code, message) {
  return { status, body: { code, message, data: { status } } };
}

function invalid(type, values, own) {
  if (type === 'products') {
    if (values.regular_price !== undefined && typeof values.regular_price !== 'string') return problem(400, 'rest_invalid_param', 'Invalid parameter(s): regular_price');
    const other = values.sku && [...stores.products.values()].find((product) => product.sku === values.sku && product !== own);
    if (other) return problem(400, 'product_invalid_sku', 'Invalid or duplicated SKU.');
  }
  if (type === 'customers') {
    if (!own && !values.email) return problem(400, 'rest_missing_callback_param', 'Missing parameter(s): email');
    const other = values.email && [...stores.customers.values()].find((customer) => customer.email === values.email && customer !== own);
    if (other) return problem(400, 'registration-error-email-exists', 'An account is already registered with your email address.');
  }
  return undefined;
}

function write(record, values) {
  for (const [name, value] of Object.entries(values)) {
    const isNested = value && typeof value === 'object' && !Array.isArray(value);
    record[name] = isNested ? { ...record[name], ...value } : value;
  }
  record.date_modified_gmt = now();
  return record;
}

const EMPTY = {
  products: { name: '', sku: '', regular_price: '', sale_price: '', status: 'publish', type: 'simple', manage_stock: false, stock_quantity: null, description: '', categories: [] },
  customers: { email: '', first_name: '', last_name: '', username: '', billing: { city: '', country: '' } },
  orders: { status: 'pending', total: '0.00', currency: 'EUR', customer_id: 0 },
};

function create(type, values) {
  const record = write({ id: next++, ...structuredClone(EMPTY[type]), date_created_gmt: now() }, values);
  stores[type].set(record.id, record);
  return record;
}

function list(type, all, query) {
  const size = Number(query.get('per_page') ?? 10);
  if (size > 100) return problem(400, 'rest_invalid_param', 'Invalid parameter(s): per_page');
  const offset = query.has('offset') ? Number(query.get('offset')) : (Number(query.get('page') ?? 1) - 1) * size;
  const after = query.get('modified_after');
  const include = query.get('include')?.split(',').map(Number);
  const found = all.filter(
    (record) =>
      record.status !== 'trash' &&
      (!after || record.date_modified_gmt > after) &&
      (!include || include.includes(record.id)) &&
      (!query.get('sku') || query.get('sku').split(',').includes(record.sku)) &&
      (!query.get('email') || record.email === query.get('email')),
  );
  found.sort((one, other) => one.id - other.id);
  const headers = { 'x-wp-total': String(found.length), 'x-wp-totalpages': String(Math.ceil(found.length / size)) };
  return { body: found.slice(offset, offset + size), headers };
}

function one(type, id, method, values, query) {
  const own = stores[type].get(id);
  const code = type === 'products' ? 'woocommerce_rest_product_invalid_id' : type === 'orders' ? 'woocommerce_rest_shop_order_invalid_id' : 'woocommerce_rest_invalid_id';
  if (!own || own.status === 'trash') return problem(method === 'GET' ? 404 : 400, code, 'Invalid ID.');
  if (method === 'DELETE') {
    if (query?.get('force') === 'true' || type === 'customers') stores[type].delete(id);
    else own.status = 'trash';
    return { body: own };
  }
  if (method === 'GET') return { body: own };
  return invalid(type, values, own) ?? { body: write(own, values) };
}

function batch(type, body) {
  const all = [...(body.create ?? []), ...(body.update ?? []), ...(body.delete ?? [])];
  if (all.length > 100) return problem(413, 'woocommerce_rest_request_entity_too_large', 'Unable to accept more than 100 items for this request.');
  const told = ({ status = 200, body: answer }, id) => (status < 300 ? answer : { id, error: { code: answer.code, message: answer.message, data: answer.data } });
  const answer = {};
  if (body.create) answer.create = body.create.map((values) => told(invalid(type, values) ?? { body: create(type, values) }, 0));
  if (body.update) answer.update = body.update.map(({ id, ...values }) => told(one(type, Number(id), 'PUT', values), id));
  return { body: answer };
}

export function handle({ method, path, query, body, headers }) {
  const user = Buffer.from(headers.authorization?.split(' ')[1] ?? '', 'base64').toString();
  if (user !== 'ck_0123456789abcdef:cs_0123456789abcdef') return problem(401, 'woocommerce_rest_cannot_view', 'Sorry, you cannot list resources.');
  const [type, id, below] = path.replace('/wp-json/wc/v3/', '').split('/');
  if (!stores[type]) return problem(404, 'rest_no_route', 'No route was found matching the URL and request method.');
  if (id === undefined && method === 'GET') return list(type, [...stores[type].values()], query);
  if (id === 'batch' && method === 'POST') return batch(type, body);
  if (below === 'refunds' && type === 'orders') return list('refunds', refunds.get(Number(id)) ?? [], query);
  return one(type, Number(id), method, body, query);
}

export const called = ({ path }) => path.replace('/wp-json/wc/v3/', '').replace(/\/\d+/, '/{id}');

export function change({ type = 'products', add, edit, remove, refund, time }) {
  if (time !== undefined) clock = time;
  for (const values of add ?? []) create(type, values);
  for (const [id, values] of Object.entries(edit ?? {})) write(stores[type].get(Number(id)), values);
  for (const id of remove ?? []) stores[type].delete(id);
  for (const { order, ...values } of refund ?? []) refunds.set(order, [...(refunds.get(order) ?? []), { id: next++, date_created_gmt: now(), ...values }]);
}

export const show = () => Object.fromEntries(Object.entries(stores).map(([type, all]) => [type, [...all.values()]]));
