// The issues of one repository, after the reference of GitHub's REST API.
//
// Times have whole seconds; pages are numbered and move when an issue is edited; an edit that changes nothing moves the time as well;
// pull requests are told as issues; what is unknown is 404, what is wrong 422.

const issues = new Map();
let next = 1;
let clock = Date.UTC(2026, 0, 1);
const PATH = '/repos/acme/shop/issues';

const now = () => new Date(clock).toISOString().replace(/\.\d+Z$/, 'Z');
const problem = (status, message, errors) => ({ status, body: { message, errors, documentation_url: 'https://docs.github.com/rest' } });

function write(issue, values) {
  for (const name of ['title', 'body', 'state']) if (values[name] !== undefined) issue[name] = values[name];
  if (values.labels) issue.labels = values.labels.map((name) => ({ name }));
  issue.updated_at = now();
  return issue;
}

function create(values) {
  const issue = { number: next++, title: '', body: null, state: 'open', labels: [], user: { login: 'ann' }, created_at: now() };
  issues.set(issue.number, write(issue, values));
  return issue;
}

function list(query) {
  const size = Math.min(Number(query.get('per_page') ?? 30), 100);
  const since = query.get('since') ?? '';
  const states = query.get('state') === 'all' ? ['open', 'closed'] : [query.get('state') ?? 'open'];
  const all = [...issues.values()].filter((issue) => issue.updated_at >= since && states.includes(issue.state));
  all.sort((a, b) => (a.updated_at < b.updated_at ? -1 : a.updated_at > b.updated_at ? 1 : a.number - b.number));
  const begin = (Number(query.get('page') ?? 1) - 1) * size;
  return { body: all.slice(begin, begin + size), headers: { date: new Date(clock + 1000).toUTCString() } };
}

export const called = ({ path }) => path.replace(/\d+$/, 'N');

export function handle({ method, path, query, headers, body }) {
  if (headers.authorization !== 'Bearer a-token-of-some-length') return problem(401, 'Bad credentials');
  if (path === PATH && method === 'GET') return list(query);
  if (path === PATH && method === 'POST') {
    if (!body?.title) return problem(422, 'Validation Failed', [{ resource: 'Issue', field: 'title', code: 'missing_field' }]);
    return { status: 201, body: create({ ...body, state: undefined }) };
  }
  const issue = issues.get(Number(path.slice(PATH.length + 1)));
  if (!path.startsWith(`${PATH}/`) || !issue) return problem(404, 'Not Found');
  if (method === 'PATCH') write(issue, body);
  return { body: issue };
}

/** `{ clock }`, `{ create: [values] }`, `{ edit: { number, … } }` */
export function change({ clock: time, create: made = [], edit }) {
  if (time) clock = Date.parse(time);
  for (const values of made) create(values);
  if (edit) write(issues.get(edit.number), edit);
}

export const show = () => ({ issues: [...issues.values()], clock: now() });
