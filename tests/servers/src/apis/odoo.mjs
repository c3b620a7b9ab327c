// Odoo's JSON-RPC, after the external API of its documentation: every failure is an answer with 200.
//
// Missing values are `false`; times are UTC without saying so, to the second; prices are rounded to two digits; a list of new records is
// made as a whole or not at all.

const records = { 'res.partner': new Map(), 'product.template': new Map() };
const FIELDS = {
  'res.partner': { name: 'char', email: 'char', phone: 'char', ref: 'char', comment: 'html', is_company: 'boolean', parent_id: 'many2one', credit_limit: 'float', category_id: 'many2many', image_1920: 'binary' },
  'product.template': { name: 'char', default_code: 'char', list_price: 'monetary', active: 'boolean' },
};
const MAGIC = { id: 'integer', create_date: 'datetime', write_date: 'datetime', display_name: 'char' };
let next = 1;
let clock = null;

const now = () => new Date(clock ?? Date.now()).toISOString().slice(0, 19).replace('T', ' ');

class Fault extends Error {
  constructor(name, message, code = 200) {
    super(message);
    this.fault = name;
    this.code = code;
  }
}

function check(model, values, own) {
  for (const [name, value] of Object.entries(values)) {
    const type = FIELDS[model][name];
    if (!type) throw new Fault('builtins.ValueError', `Invalid field '${name}' on model '${model}'`);
    if (value === null) throw new Fault('builtins.TypeError', 'cannot marshal None unless allow_none is enabled');
    if (['float', 'monetary'].includes(type) && typeof value !== 'number' && value !== false) throw new Fault('builtins.ValueError', `could not convert string to float: '${value}'`);
  }
  if (model === 'res.partner' && !own && !values.name) throw new Fault('odoo.exceptions.ValidationError', 'Contacts require a name');
  if (values.name === 'forbidden') throw new Fault('odoo.exceptions.UserError', 'This name is not allowed.');
}

function write(model, record, values) {
  for (const [name, value] of Object.entries(values)) {
    const isPrice = ['float', 'monetary'].includes(FIELDS[model][name]) && typeof value === 'number';
    record[name] = isPrice ? Math.round(value * 100) / 100 : value;
  }
  record.write_date = now();
}

function create(model, values) {
  const record = { id: next++, create_date: now() };
  for (const [name, type] of Object.entries(FIELDS[model])) record[name] = type === 'many2many' ? [] : ['float', 'monetary'].includes(type) ? 0 : false;
  if (model === 'product.template') record.active = true;
  write(model, record, values);
  records[model].set(record.id, record);
  return record.id;
}

function shown(model, record, fields) {
  const value = (name) => {
    const type = FIELDS[model][name] ?? MAGIC[name];
    if (!type) throw new Fault('builtins.ValueError', `Invalid field '${name}' on model '${model}'`);
    if (name === 'display_name') return record.name;
    const parent = type === 'many2one' && record[name] ? records[model].get(record[name]) : undefined;
    return parent ? [parent.id, parent.name] : record[name];
  };
  return { id: record.id, ...Object.fromEntries((fields ?? []).map((name) => [name, value(name)])) };
}

function holds(record, [name, operator, value]) {
  const own = record[name];
  switch (operator) {
    case '=': return own === value;
    case 'in': return value.includes(own);
    case '>': return own > value;
    case '>=': return own >= value;
    default: throw new Fault('builtins.ValueError', `Invalid operator ${operator}`);
  }
}

function missing(model, id) {
  return new Fault('odoo.exceptions.MissingError', `Record does not exist or has been deleted.\n(Record: ${model}(${id},), User: 2)`);
}

function execute(model, method, args, options = {}) {
  if (!records[model]) throw new Fault('odoo.exceptions.UserError', `Object ${model} doesn't exist`);
  const all = records[model];
  switch (method) {
    case 'fields_get':
      return Object.fromEntries(Object.entries({ ...FIELDS[model], ...MAGIC }).map(([name, type]) => [name, { type, string: name, readonly: name in MAGIC, store: true }]));
    case 'search_read': {
      const found = [...all.values()].filter((record) => record.active !== false || !('active' in FIELDS[model])).filter((record) => args[0].every((condition) => holds(record, condition)));
      found.sort((one, other) => one.id - other.id);
      return found.slice(0, options.limit ?? found.length).map((record) => shown(model, record, options.fields));
    }
    case 'create': {
      const list = Array.isArray(args[0]) ? args[0] : [args[0]];
      list.forEach((values) => check(model, values));
      const ids = list.map((values) => create(model, values));
      return Array.isArray(args[0]) ? ids : ids[0];
    }
    case 'write':
      for (const id of args[0]) {
        if (!all.has(id)) throw missing(model, id);
        check(model, args[1], true);
        write(model, all.get(id), args[1]);
      }
      return true;
    case 'unlink':
      for (const id of args[0]) if (!all.has(id)) throw missing(model, id);
      args[0].forEach((id) => all.delete(id));
      return true;
    default:
      throw new Fault('builtins.AttributeError', `The method '${method}' does not exist on the model '${model}'`);
  }
}

const KEY = '3f1c6a0b9d2e4f7a8b5c1d0e9f8a7b6c5d4e3f2a';

function answer({ service, method, args }) {
  const [database, ...rest] = args;
  if (database !== 'acme') throw new Fault('psycopg2.OperationalError', `database "${database}" does not exist`);
  if (service === 'common' && method === 'authenticate') return rest[0] === 'sync@example.com' && rest[1] === KEY ? 2 : false;
  const [uid, key, model, call, given, options] = rest;
  if (uid !== 2 || key !== KEY) throw new Fault('odoo.exceptions.AccessDenied', 'Access Denied');
  return execute(model, call, given, options);
}

export function handle({ path, body }) {
  if (path !== '/jsonrpc') return { status: 404, body: '<html>404</html>', headers: { 'content-type': 'text/html' } };
  try {
    return { body: { jsonrpc: '2.0', id: body.id, result: answer(body.params) } };
  } catch (error) {
    const data = { name: error.fault ?? 'builtins.Exception', debug: 'Traceback …', message: error.message, arguments: [error.message], context: {} };
    return { body: { jsonrpc: '2.0', id: body.id, error: { code: error.code ?? 200, message: 'Odoo Server Error', data } } };
  }
}

export const called = ({ body }) => `${body.params.args[3]} ${body.params.args[4] ?? body.params.method}`;

export function change({ model = 'res.partner', add, edit, remove, time }) {
  if (time !== undefined) clock = time;
  for (const values of add ?? []) create(model, values);
  for (const [id, values] of Object.entries(edit ?? {})) write(model, records[model].get(Number(id)), values);
  for (const id of remove ?? []) records[model].delete(id);
}

export const show = () => Object.fromEntries(Object.entries(records).map(([model, all]) => [model, [...all.values()]]));
