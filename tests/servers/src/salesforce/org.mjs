// An org: its objects, its records with everything that happens to them, and its clock.
import { Malformed, comparable, matcher, parse } from './soql.mjs';

const SIGNS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const CHECKS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345';

/** Eighteen characters: the last three tell the case of the others. */
export function long(id) {
  if (id.length !== 15) return id;
  const checks = [0, 5, 10].map((start) => {
    const bits = [...id.slice(start, start + 5)].reduce((bits, sign, place) => bits | (/[A-Z]/.test(sign) ? 1 << place : 0), 0);
    return CHECKS[bits];
  });
  return id + checks.join('');
}

const field = (name, type, more = {}) => ({
  name, type, label: name.replace(/__c$/, ''), length: 0, precision: 0, scale: 0, nillable: true, createable: true, updateable: true,
  externalId: false, unique: false, idLookup: false, referenceTo: [], deprecatedAndHidden: false, ...more,
});
const fixed = { createable: false, updateable: false, nillable: false };
const standard = () => [
  field('Id', 'id', { ...fixed, length: 18, idLookup: true }),
  field('CreatedDate', 'datetime', fixed),
  field('LastModifiedDate', 'datetime', fixed),
  field('SystemModstamp', 'datetime', fixed),
];
const OBJECTS = {
  Account: {
    label: 'Account', prefix: '001',
    fields: [
      ...standard(),
      field('IsDeleted', 'boolean', fixed),
      field('Name', 'string', { length: 255, nillable: false }),
      field('No__c', 'string', { length: 20, externalId: true, unique: true, idLookup: true }),
      field('Ref__c', 'string', { length: 20, externalId: true, idLookup: true }),
      field('Credit__c', 'currency', { precision: 18, scale: 2 }),
      field('Rate__c', 'percent', { precision: 5, scale: 3 }),
      field('Score__c', 'double', { precision: 18, scale: 10 }),
      field('NumberOfEmployees', 'int', { digits: 8 }),
      field('Active__c', 'boolean', { nillable: false }),
      field('Since__c', 'date'),
      field('Opens__c', 'time'),
      field('Seen__c', 'datetime'),
      field('Interests__c', 'multipicklist', { picklistValues: ['Art', 'Books', 'Cars'].map((value) => ({ value, active: true })) }),
      field('ParentId', 'reference', { referenceTo: ['Account'] }),
      field('BillingCity', 'string', { length: 40 }),
      field('BillingAddress', 'address', { createable: false, updateable: false }),
      field('Description', 'textarea', { length: 32000 }),
      field('Logo__c', 'base64'),
    ],
  },
  Shipped__e: {
    label: 'Shipped', prefix: 'e01', isEvent: true,
    fields: [
      field('ReplayId', 'string', fixed), field('EventUuid', 'string', fixed), field('CreatedDate', 'datetime', fixed), field('CreatedById', 'reference', fixed),
      field('Number__c', 'string', { length: 20 }), field('Amount__c', 'double', { precision: 18, scale: 2 }),
    ],
  },
  User: { label: 'User', prefix: '005', fields: [...standard(), field('Name', 'string', { length: 121 })] },
};

const failure = (statusCode, message, fields = []) => ({ statusCode, message, fields });
const seconds = (millis) => new Date(Math.floor(millis / 1000) * 1000).toISOString().replace('Z', '+0000');

export class Org {
  now = Date.parse('2026-01-01T00:00:00Z');
  /** Seconds before a change is shown to queries. */
  lag = 0;
  /** Records a page, at most. */
  page = 2000;
  objects = OBJECTS;
  records = new Map();
  locators = new Map();
  /** Ids that somebody else is writing to. */
  locked = new Set();
  /** Called with the kind of a change and its record. */
  watchers = [];
  count = 0;
  /** What was deleted, and since when that is known. */
  deletes = [];
  logFrom = 0;

  advance(seconds) {
    this.now += seconds * 1000;
  }

  object(name) {
    const object = this.objects[name];
    if (!object) throw new Malformed('INVALID_TYPE', `sObject type '${name}' is not supported.`);
    return object;
  }

  field(object, name) {
    const found = this.object(object).fields.find((field) => field.name === name && field.type !== 'base64');
    if (!found) throw new Malformed('INVALID_FIELD', `No such column '${name}' on sobject of type ${object}`);
    return found;
  }

  nextId(prefix) {
    let [digits, rest] = ['', ++this.count];
    for (let place = 0; place < 6; place++, rest = Math.floor(rest / 62)) digits = SIGNS[rest % 62] + digits;
    return long(`${prefix}Ab0000${digits}`);
  }

  find(id) {
    return this.records.get(long(String(id)));
  }

  /** Keeps what queries still show for a while, and tells who watches. */
  touch(record, kind, change, fields) {
    const before = this.records.get(record.Id) && { ...record, hidden: undefined };
    change(record);
    record.SystemModstamp = record.LastModifiedDate = seconds(this.now);
    record.hidden = { before, until: this.now + this.lag * 1000 };
    for (const watch of this.watchers) watch(kind, record, fields);
  }

  shown(record) {
    return record.hidden && record.hidden.until > this.now ? record.hidden.before : record;
  }

  /** A value as it is stored; `undefined` if the request cannot be understood. */
  stored(field, value) {
    if (value === null || value === '') return null;
    switch (field.type) {
      case 'boolean': return typeof value === 'boolean' ? value : undefined;
      case 'int': return Number.isInteger(value) ? value : undefined;
      case 'double': case 'currency': case 'percent': return typeof value === 'number' ? value : undefined;
      case 'date': return /^\d{4}-\d\d-\d\d$/.test(value) ? value : undefined;
      case 'time': return /^\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value) ? `${value.replace('Z', '').padEnd(9, '.').padEnd(12, '0').slice(0, 12)}Z` : undefined;
      case 'datetime': return Number.isNaN(Date.parse(value)) ? undefined : seconds(Date.parse(value));
      case 'multipicklist': {
        const chosen = String(value).split(';');
        return field.picklistValues.map(({ value }) => value).filter((value) => chosen.includes(value)).join(';') || null;
      }
      case 'id': case 'reference': return long(String(value));
      default: return typeof value === 'string' ? value.trim() || null : undefined;
    }
  }

  /** The values of a request, checked as far as they concern the request as a whole. */
  understood(object, values) {
    const found = {};
    for (const [name, value] of Object.entries(values)) {
      if (name === 'attributes' || name === 'Id' || name === 'id') continue;
      const field = this.field(object, name);
      found[name] = this.stored(field, value);
      if (found[name] === undefined) {
        throw new Malformed('JSON_PARSER_ERROR', `Cannot deserialize instance of ${field.type} from ${JSON.stringify(value)}`);
      }
    }
    return found;
  }

  /** What is wrong with a record, in itself and beside the others. */
  complaint(object, values, record) {
    for (const [name, value] of Object.entries(values)) {
      const field = this.field(object, name);
      if (!field.createable) return failure('INVALID_FIELD_FOR_INSERT_UPDATE', `Unable to create/update fields: ${name}.`, [name]);
      if (value === null) continue;
      if (field.length && String(value).length > field.length) {
        return failure('STRING_TOO_LONG', `${field.label}: data value too large: ${value} (max length=${field.length})`, [name]);
      }
      if (field.type === 'reference' && !this.find(value)) return failure('INVALID_CROSS_REFERENCE_KEY', 'invalid cross reference id', [name]);
      if (field.unique) {
        const other = this.unique(object, name, value);
        if (other && other !== record) {
          return failure('DUPLICATE_VALUE', `duplicate value found: ${name} duplicates value on record with id: ${other.Id}`, [name]);
        }
      }
    }
    const name = 'Name' in values ? values.Name : record?.Name;
    return name ? null : failure('REQUIRED_FIELD_MISSING', 'Required fields are missing: [Name]', ['Name']);
  }

  *of(object) {
    const { prefix } = this.object(object);
    for (const record of this.records.values()) if (record.Id.startsWith(prefix)) yield record;
  }

  /** Live records by the value of a field; kept as a map, for there are thousands. */
  unique(object, name, value) {
    return this.having(object, name, value)[0];
  }

  having(object, name, value) {
    const key = `${object}.${name}`;
    if (this.index?.key !== key || this.index.version !== this.version) {
      const map = new Map();
      for (const record of this.of(object)) {
        if (record.IsDeleted || record[name] === null) continue;
        const own = comparable('string', record[name]);
        map.set(own, [...(map.get(own) ?? []), record]);
      }
      this.index = { key, version: this.version, map };
    }
    return this.index.map.get(comparable('string', value)) ?? [];
  }

  version = 0;

  create(object, given) {
    const values = this.understood(object, given);
    const complaint = this.complaint(object, values, null);
    if (complaint) return { success: false, errors: [complaint] };
    const { fields, prefix } = this.object(object);
    const record = Object.fromEntries(fields.filter((field) => field.type !== 'base64').map((field) => [field.name, field.type === 'boolean' ? false : null]));
    record.Id = this.nextId(prefix);
    record.CreatedDate = seconds(this.now);
    this.touch(record, 'CREATE', () => Object.assign(record, values), Object.keys(values));
    this.records.set(record.Id, record);
    this.remember(object, record, values);
    return { id: record.Id, success: true, errors: [] };
  }

  /** The index stays what it is where only a new record comes to it. */
  remember(object, record, values) {
    const [of, name] = this.index?.key.split('.') ?? [];
    if (of === object && values[name]) {
      const own = comparable('string', values[name]);
      this.index.map.set(own, [...(this.index.map.get(own) ?? []), record]);
    }
  }

  update(object, id, given) {
    const values = this.understood(object, given);
    const record = this.find(id);
    const refused = this.refused(record, id);
    if (refused) return { success: false, errors: [refused] };
    const complaint = this.complaint(object, values, record);
    if (complaint) return { success: false, errors: [complaint] };
    this.touch(record, 'UPDATE', () => Object.assign(record, values), Object.keys(values));
    if (Object.keys(values).some((name) => this.index?.key === `${object}.${name}`)) this.version++;
    return { id: record.Id, success: true, errors: [] };
  }

  refused(record, id) {
    if (!/^([a-zA-Z0-9]{15}|[a-zA-Z0-9]{18})$/.test(id)) return failure('MALFORMED_ID', `malformed id ${id}`);
    if (!record) return failure('INVALID_CROSS_REFERENCE_KEY', 'invalid cross reference id');
    if (record.IsDeleted) return failure('ENTITY_IS_DELETED', 'entity is deleted');
    if (this.locked.has(record.Id)) return failure('UNABLE_TO_LOCK_ROW', 'unable to obtain exclusive access to this record');
    return null;
  }

  upsert(object, external, given) {
    const found = given[external] === undefined ? [] : this.having(object, external, given[external]);
    if (found.length > 1) {
      return { success: false, errors: [failure('DUPLICATE_EXTERNAL_ID', `more than one record found for external id field: [${found.map((record) => record.Id)}]`)] };
    }
    if (found.length === 1) return { ...this.update(object, found[0].Id, given), created: false };
    return { ...this.create(object, given), created: true };
  }

  delete(id) {
    const record = this.find(id);
    const refused = this.refused(record, id);
    if (refused) return { success: false, errors: [refused] };
    this.touch(record, 'DELETE', () => (record.IsDeleted = true), []);
    this.deletes.push({ id: record.Id, at: this.now });
    this.version++;
    return { id: record.Id, success: true, errors: [] };
  }

  undelete(id) {
    const record = this.find(id);
    this.touch(record, 'UNDELETE', () => (record.IsDeleted = false), []);
    this.version++;
  }

  /** Nothing remembers it any more. */
  purge(id) {
    const record = this.find(id);
    for (const watch of this.watchers) watch('DELETE', record, []);
    this.deletes.push({ id: record.Id, at: this.now });
    this.records.delete(record.Id);
    this.version++;
  }

  /** The records of a query, as the API shows them. */
  query(text, all) {
    const query = parse(text);
    const names = query.fields.map((name) => this.field(query.object, name).name);
    if (new Set(names).size < names.length) throw new Malformed('INVALID_FIELD', 'duplicate field selected');
    const fits = matcher(query, (name) => this.field(query.object, name).type);
    const found = [];
    for (const record of this.of(query.object)) {
      const shown = this.shown(record);
      if (shown && (all || !shown.IsDeleted) && fits(shown)) found.push(shown);
    }
    const order = query.order.map((name) => [name, this.field(query.object, name).type]);
    const keys = new Map(found.map((record) => [record, order.map(([name, type]) => comparable(type, record[name]))]));
    found.sort((one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      const place = a.findIndex((value, place) => value !== b[place]);
      return place < 0 ? 0 : a[place] === null || (b[place] !== null && a[place] < b[place]) ? -1 : 1;
    });
    return found.slice(0, query.limit).map((record) => this.view(query.object, record, names));
  }

  view(object, record, names) {
    const value = (name) => {
      if (name === 'BillingAddress') return record.BillingCity && { city: record.BillingCity, country: null };
      return record[name] ?? null;
    };
    return { attributes: { type: object, url: `/services/data/v62.0/sobjects/${object}/${record.Id}` }, ...Object.fromEntries(names.map((name) => [name, value(name)])) };
  }
}
