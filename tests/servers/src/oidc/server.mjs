// An OAuth 2.0 server by somebody else (`oidc-provider`), and an API behind it that takes its tokens and counts.
//
// Arguments: a folder. It holds `public.pem`, if statements (RFC 7523) are to be understood; `pid` and `port` are written there.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { importSPKI, jwtVerify } from 'jose';
import Provider from 'oidc-provider';

const folder = process.argv[2];
const counts = { tokens: 0, refused: 0, api: 0, unauthorized: 0 };
const seen = [];
// Tokens that were good, and those of them that are not any more.
const used = new Set();
const revoked = new Set();
// How long access tokens are good; a test may shorten it.
let lifetime = 60;
// Milliseconds before a request for a token is answered, so that others come meanwhile.
let delay = 0;
let provider;
let issuer;

const client = (id, method, grants) => ({
  client_id: id,
  client_secret: `${id}-secret/with+odd:characters`,
  token_endpoint_auth_method: method,
  grant_types: grants,
  redirect_uris: grants.includes('authorization_code') ? ['https://client.example/back'] : [],
  response_types: grants.includes('authorization_code') ? ['code'] : [],
});

const configuration = () => ({
  clients: [
    client('machine', 'client_secret_basic', ['client_credentials']),
    client('poster', 'client_secret_post', ['client_credentials']),
    client('person', 'client_secret_basic', ['authorization_code', 'refresh_token']),
  ],
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  scopes: ['openid', 'offline_access', 'api:read'],
  // Each refresh token is good once; using one again revokes all of its family.
  rotateRefreshToken: true,
  ttl: { AccessToken: () => lifetime, ClientCredentials: () => lifetime, RefreshToken: 86400, Grant: 86400 },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  jwks: undefined,
});

const text = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
};

const answer = (response, status, body, headers = {}) => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

// What an authorization in a browser would end with.
async function seed() {
  const grant = new provider.Grant({ clientId: 'person', accountId: 'anna' });
  grant.addOIDCScope('openid offline_access');
  const grantId = await grant.save();
  const refresh = new provider.RefreshToken({
    accountId: 'anna', client: await provider.Client.find('person'), grantId, gty: 'authorization_code',
    scope: 'openid offline_access', authTime: 0, iiat: Math.floor(Date.now() / 1000),
  });
  return refresh.save();
}

async function statement(request, response) {
  const form = new URLSearchParams(await text(request));
  try {
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') throw new Error('grant_type');
    const pem = fs.readFileSync(path.join(folder, 'public.pem'), 'utf8');
    const algorithm = pem.length > 300 ? 'RS256' : 'ES256';
    const { payload, protectedHeader } = await jwtVerify(form.get('assertion'), await importSPKI(pem, algorithm), {
      issuer: 'lockstep', subject: 'anna', audience: `${issuer}/statement`, algorithms: [algorithm], maxTokenAge: '5m',
      requiredClaims: ['exp', 'iat', 'jti'],
    });
    seen.push({ payload, protectedHeader, scope: form.get('scope') });
    const token = new provider.ClientCredentials({ client: await provider.Client.find('machine'), scope: 'api:read' });
    answer(response, 200, { access_token: await token.save(), token_type: 'Bearer', expires_in: lifetime });
  } catch (error) {
    answer(response, 400, { error: 'invalid_grant', error_description: String(error.message) });
  }
}

async function api(request, response) {
  counts.api += 1;
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const known = (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token));
  if (!known || revoked.has(token)) {
    counts.unauthorized += 1;
    return answer(response, 401, { error: 'invalid_token', you_sent: token }, { 'www-authenticate': 'Bearer' });
  }
  used.add(token);
  return answer(response, 200, { client: known.clientId, account: known.accountId ?? null, echo: token });
}

async function control(url, response) {
  const value = Number(url.searchParams.get('value'));
  switch (url.pathname) {
    case '/control/seed': return answer(response, 200, { refresh_token: await seed() });
    case '/control/counts': return answer(response, 200, { ...counts, seen });
    case '/control/revoke': used.forEach((token) => revoked.add(token)); return answer(response, 200, {});
    case '/control/lifetime': lifetime = value; return answer(response, 200, {});
    case '/control/delay': delay = value; return answer(response, 200, {});
    default: return answer(response, 404, {});
  }
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname.startsWith('/control/')) return control(url, response);
  if (url.pathname.startsWith('/api/')) return api(request, response);
  if (url.pathname === '/token' || url.pathname === '/statement') {
    counts.tokens += 1;
    response.on('finish', () => { if (response.statusCode >= 400) counts.refused += 1; });
    await new Promise((done) => setTimeout(done, delay));
  }
  if (url.pathname === '/statement') return statement(request, response);
  return provider.callback()(request, response);
});

server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  provider = new Provider(issuer, configuration());
  fs.writeFileSync(path.join(folder, 'pid'), String(process.pid));
  fs.writeFileSync(path.join(folder, 'port.new'), String(server.address().port));
  // Whole or not there.
  fs.renameSync(path.join(folder, 'port.new'), path.join(folder, 'port'));
});
