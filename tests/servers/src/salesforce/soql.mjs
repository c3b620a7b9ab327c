// The part of SOQL that is asked for: `SELECT a,b FROM c WHERE … ORDER BY d LIMIT n`, with comparisons, IN, AND, OR and brackets.

const TOKEN = /\s*(?:(?<text>'(?:[^'\\]|\\.)*')|(?<time>\d{4}-\d\d-\d\dT[\d:.]+Z|\d\d:\d\d:\d\d\.\d+Z)|(?<date>\d{4}-\d\d-\d\d)|(?<number>-?\d+(?:\.\d+)?)|(?<word>[A-Za-z_][A-Za-z0-9_]*)|(?<mark>>=|<=|!=|[=<>(),]))/y;

export class Malformed extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

function tokens(text) {
  const found = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new Malformed('MALFORMED_QUERY', `unexpected token: ${text.slice(at, at + 20)}`);
    const [kind, value] = Object.entries(match.groups).find(([, value]) => value !== undefined);
    found.push({ kind, value });
  }
  return found;
}

const unescape = (text) =>
  text.slice(1, -1).replace(/\\(.)/g, (_, letter) => ({ n: '\n', r: '\r', t: '\t' })[letter] ?? letter);

export function parse(text) {
  const all = tokens(text);
  let at = 0;
  const is = (word) => all[at] && all[at].kind !== 'text' && all[at].value.toUpperCase() === word;
  const take = (word) => (is(word) ? (at++, true) : false);
  const expect = (word) => {
    if (!take(word)) throw new Malformed('MALFORMED_QUERY', `expecting ${word}, found ${all[at]?.value ?? 'the end'}`);
  };
  const name = () => {
    if (all[at]?.kind !== 'word') throw new Malformed('MALFORMED_QUERY', `expecting a name, found ${all[at]?.value}`);
    return all[at++].value;
  };
  const names = () => {
    const found = [name()];
    while (take(',')) found.push(name());
    return found;
  };
  const literal = () => {
    const token = all[at++];
    switch (token?.kind) {
      case 'text': return { kind: 'text', value: unescape(token.value) };
      case 'number': return { kind: 'number', value: Number(token.value) };
      case 'date': case 'time': return { kind: token.kind, value: token.value };
      case 'word': {
        const word = token.value.toLowerCase();
        if (word === 'null') return { kind: 'null', value: null };
        if (word === 'true' || word === 'false') return { kind: 'boolean', value: word === 'true' };
      }
    }
    throw new Malformed('MALFORMED_QUERY', `unexpected token: ${token?.value ?? 'the end'}`);
  };
  const comparison = () => {
    if (take('(')) {
      const inner = condition();
      expect(')');
      return inner;
    }
    const field = name();
    if (take('IN')) {
      expect('(');
      const values = [literal()];
      while (take(',')) values.push(literal());
      expect(')');
      return { operator: 'IN', field, values };
    }
    const operator = all[at++]?.value;
    if (!['=', '!=', '<', '<=', '>', '>='].includes(operator)) throw new Malformed('MALFORMED_QUERY', `unexpected token: ${operator}`);
    return { operator, field, values: [literal()] };
  };
  // The vendor's own language has no precedence: AND and OR must not be mixed without brackets.
  const condition = () => {
    const parts = [comparison()];
    const word = is('AND') ? 'AND' : 'OR';
    while (take(word)) parts.push(comparison());
    if (is('AND') || is('OR')) throw new Malformed('MALFORMED_QUERY', 'unexpected token: AND and OR without brackets');
    return parts.length === 1 ? parts[0] : { operator: word, parts };
  };
  expect('SELECT');
  const query = { fields: names(), where: null, order: [], limit: Infinity };
  expect('FROM');
  query.object = name();
  if (take('WHERE')) query.where = condition();
  if (take('ORDER')) {
    expect('BY');
    query.order = names();
  }
  if (take('LIMIT')) query.limit = literal().value;
  if (at < all.length) throw new Malformed('MALFORMED_QUERY', `unexpected token: ${all[at].value}`);
  return query;
}

/** What a value is compared by: texts without their case, Ids in their short form, times as numbers. */
export function comparable(type, value) {
  if (value === null || value === undefined) return null;
  switch (type) {
    case 'id': case 'reference': return String(value).slice(0, 15);
    case 'datetime': return Date.parse(String(value).replace('+0000', 'Z'));
    case 'multipicklist': return String(value).split(';').sort().join(';');
    case 'string': case 'textarea': case 'picklist': return String(value).toLowerCase();
    default: return value;
  }
}

const FITTING = {
  id: ['text'], reference: ['text'], datetime: ['time'], date: ['date'], time: ['time'], boolean: ['boolean'],
  int: ['number'], double: ['number'], currency: ['number'], percent: ['number'],
};

/** Checks the fields of a query and answers whether a record fits it. */
export function matcher(query, typeOf) {
  const check = (where) => {
    if (where === null) return () => true;
    if (where.parts) {
      const parts = where.parts.map(check);
      return where.operator === 'AND' ? (record) => parts.every((part) => part(record)) : (record) => parts.some((part) => part(record));
    }
    const type = typeOf(where.field);
    if (['textarea', 'address', 'base64'].includes(type)) {
      throw new Malformed('INVALID_FIELD', `field '${where.field}' can not be filtered in a query call`);
    }
    for (const { kind, value } of where.values) {
      if (kind !== 'null' && !(FITTING[type] ?? ['text']).includes(kind)) {
        throw new Malformed('INVALID_FIELD', `value of filter criterion for field '${where.field}' must be of type ${type}: ${value}`);
      }
      if (type === 'id' && !/^([a-zA-Z0-9]{15}|[a-zA-Z0-9]{18})?$/.test(value ?? '')) {
        throw new Malformed('INVALID_QUERY_FILTER_OPERATOR', `invalid ID field: ${value}`);
      }
    }
    const wanted = where.values.map(({ value }) => comparable(type, value));
    if (where.operator === 'IN') {
      const set = new Set(wanted);
      return (record) => set.has(comparable(type, record[where.field]));
    }
    const [other] = wanted;
    return (record) => {
      const own = comparable(type, record[where.field]);
      switch (where.operator) {
        case '=': return own === other;
        case '!=': return own !== other;
        case '>': return own !== null && own > other;
        case '>=': return own !== null && own >= other;
        case '<': return own !== null && own < other;
        default: return own !== null && own <= other;
      }
    };
  };
  return check(query.where);
}
