// Bulk API 2.0: jobs that take their time, tables in and out.
import { Malformed } from './soql.mjs';

const DELIMITERS = { COMMA: ',', CARET: '^', PIPE: '|', SEMICOLON: ';', TAB: '\t', BACKQUOTE: '`' };

function parse(text, delimiter) {
  const rows = [];
  let [row, cell, isQuoted] = [[], '', false];
  const end = () => {
    row.push(cell);
    rows.push(row);
    [row, cell] = [[], ''];
  };
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (isQuoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') cell += text[++at];
      else isQuoted = false;
    } else if (sign === '"') isQuoted = true;
    else if (sign === delimiter) {
      row.push(cell);
      cell = '';
    } else if (sign === '\n') end();
    else if (sign !== '\r') cell += sign;
  }
  if (cell !== '' || row.length > 0) end();
  return rows;
}

const write = (rows, delimiter) =>
  rows.map((row) => row.map((cell) => (cell === '' || cell === null ? '' : `"${String(cell).replaceAll('"', '""')}"`)).join(delimiter) + '\n').join('');

export class Bulk {
  jobs = new Map();
  /** How often somebody has to ask before a job is done. */
  polls = 1;
  /** After so many rows a job fails. */
  breaks = Infinity;
  /** Rows a part of a query's results, at most. */
  part = Infinity;
  isForgotten = false;

  constructor(org, site) {
    Object.assign(this, { org, site });
  }

  answer(request, response, [kind, id, rest], url, body) {
    const send = (status, value, headers = {}) => {
      const isTable = typeof value === 'string';
      response.writeHead(status, { 'content-type': isTable ? 'text/csv' : 'application/json;charset=UTF-8', ...headers });
      response.end(value === undefined ? '' : isTable ? value : JSON.stringify(value));
    };
    const refuse = (status, errorCode, message) => send(status, [{ errorCode, message }]);
    if (request.method === 'POST') return send(200, this.shown(this.create(kind, JSON.parse(body))));
    if (!id) {
      return send(200, { done: true, records: [...this.jobs.values()].filter((job) => job.kind === kind).map((job) => this.shown(job)), nextRecordsUrl: null });
    }
    const job = this.jobs.get(id);
    if (!job || job.kind !== kind) return refuse(404, 'NOT_FOUND', 'The requested resource does not exist');
    switch (`${request.method} ${rest ?? ''}`) {
      case 'GET ': return send(200, this.shown(this.step(job)));
      case 'DELETE ':
        if (['Open', 'InProgress'].includes(job.state)) return refuse(400, 'INVALIDJOBSTATE', 'job is not finished');
        this.jobs.delete(id);
        return send(204);
      case 'PUT batches':
        if (job.state !== 'Open' || job.rows) return refuse(409, 'INVALIDJOBSTATE', 'the job has its data already');
        job.rows = parse(body, DELIMITERS[job.columnDelimiter]);
        return send(201);
      case 'PATCH ': {
        const { state } = JSON.parse(body);
        if (job.state !== 'Open') return refuse(400, 'INVALIDJOBSTATE', `Invalid job state: ${job.state}`);
        job.state = state;
        job.left = this.polls;
        return send(200, this.shown(job));
      }
      case 'GET results': return this.results(job, url, send, refuse);
      case 'GET successfulResults': return send(200, this.table(job, ['sf__Id', 'sf__Created'], job.done));
      case 'GET failedResults': return send(200, this.table(job, ['sf__Id', 'sf__Error'], job.failed));
      case 'GET unprocessedrecords': return send(200, this.table(job, [], job.untouched));
      default: return refuse(404, 'NOT_FOUND', 'The requested resource does not exist');
    }
  }

  create(kind, settings) {
    const { org } = this;
    if (kind === 'query') {
      const records = org.query(settings.query, settings.operation === 'queryAll');
      const names = /SELECT (.+?) FROM/.exec(settings.query)[1].split(',');
      if (names.some((name) => ['address', 'location'].includes(org.field(/FROM (\w+)/.exec(settings.query)[1], name).type))) {
        throw new Malformed('FEATURENOTENABLED', 'Selecting compound data not supported in Bulk Query');
      }
      return this.keep({ kind, operation: settings.operation, state: 'UploadComplete', left: this.polls, names, records });
    }
    const object = org.object(settings.object);
    if (settings.operation === 'upsert' && !object.fields.find(({ name }) => name === settings.externalIdFieldName)?.externalId) {
      throw new Malformed('INVALIDJOB', `Field name provided, ${settings.externalIdFieldName} does not match an External ID`);
    }
    return this.keep({ kind, state: 'Open', columnDelimiter: 'COMMA', lineEnding: 'LF', ...settings, done: [], failed: [], untouched: [] });
  }

  keep(job) {
    job.id = this.org.nextId('750');
    job.createdById = this.site.user;
    this.jobs.set(job.id, job);
    return job;
  }

  shown({ rows, records, names, done, failed, untouched, left, kind, ...job }) {
    return { ...job, jobType: kind === 'query' ? 'V2Query' : 'V2Ingest', apiVersion: 62.0 };
  }

  /** Time passes as often as somebody asks. */
  step(job) {
    if (job.state === 'UploadComplete') job.state = 'InProgress';
    else if (job.state === 'InProgress' && --job.left <= 0) this.finish(job);
    return job;
  }

  finish(job) {
    job.state = 'JobComplete';
    if (job.kind === 'query') return;
    const [header = [], ...rows] = job.rows ?? [];
    const wrong = header.find((name) => !this.org.object(job.object).fields.some((field) => field.name === name));
    if (wrong) [job.state, job.errorMessage] = ['Failed', `InvalidBatch : Field name not found : ${wrong}`];
    rows.forEach((row, at) => {
      if (wrong || at >= this.breaks) {
        [job.state, job.errorMessage] = ['Failed', job.errorMessage ?? 'InternalServerError : Unknown Error processing job'];
        return job.untouched.push(row);
      }
      const result = this.perform(job, header, row);
      if (result.success) job.done.push([result.id, String(result.created ?? job.operation === 'insert'), ...row]);
      else {
        const [{ statusCode, message, fields }] = result.errors;
        job.failed.push([result.id ?? '', `${statusCode}:${message}:${fields.join(', ')} --`, ...row]);
      }
    });
    // As if it came in any order.
    job.done.reverse();
  }

  perform({ operation, object, externalIdFieldName }, header, row) {
    const given = {};
    header.forEach((name, at) => {
      const field = this.org.field(object, name);
      if (row[at] === '#N/A') given[name] = null;
      else if (row[at] !== '') given[name] = { boolean: row[at] === 'true' }[field.type] ?? (['int', 'double', 'currency', 'percent'].includes(field.type) ? Number(row[at]) : row[at]);
    });
    try {
      switch (operation) {
        case 'insert': return this.org.create(object, given);
        case 'update': return this.org.update(object, given.Id, given);
        case 'upsert': return this.org.upsert(object, externalIdFieldName, given);
        default: return this.org.delete(given.Id);
      }
    } catch (error) {
      return { success: false, errors: [{ statusCode: error.code, message: error.message, fields: [] }] };
    }
  }

  table(job, own, rows) {
    return write([[...own, ...(job.rows?.[0] ?? [])], ...rows], DELIMITERS[job.columnDelimiter]);
  }

  results(job, url, send, refuse) {
    if (job.state !== 'JobComplete') return refuse(400, 'INVALIDJOBSTATE', 'job is not finished');
    const at = Number(url.searchParams.get('locator') ?? 0);
    const end = at + Math.min(Number(url.searchParams.get('maxRecords') ?? Infinity), this.part);
    const cell = (value) => (value === null ? '' : typeof value === 'string' ? value.replace('+0000', 'Z') : String(value));
    const records = job.records.slice(at, end);
    const rows = [job.names, ...records.map((record) => job.names.map((name) => cell(record[name])))];
    const headers = { 'Sforce-Locator': end < job.records.length ? String(end) : 'null', 'Sforce-NumberOfRecords': String(records.length) };
    send(200, write(rows, ','), headers);
  }
}
