// A CouchDB of PouchDB's: its HTTP interface on databases in memory, with a count of what it was asked.
import { mkdirSync, writeFileSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const folder = process.argv[2];
process.chdir(folder);
const express = require('express');
const PouchDB = require('pouchdb-core')
  .plugin(require('pouchdb-adapter-memory'))
  .plugin(require('pouchdb-adapter-http'))
  .plugin(require('pouchdb-mapreduce'))
  .plugin(require('pouchdb-find'))
  .defaults({ adapter: 'memory' });
const couch = require('express-pouchdb')(PouchDB, {
  mode: 'minimumForPouchDB',
  overrideMode: { include: ['routes/find'] },
});

let calls = {};
const app = express();
app.get('/-/calls', (request, response) => {
  response.json(calls);
  calls = {};
});
app.use((request, response, next) => {
  const name = `${request.method} ${request.path}`;
  calls[name] = (calls[name] ?? 0) + 1;
  next();
});
app.use('/', couch);
const server = app.listen(0, '127.0.0.1', () => {
  writeFileSync(join(folder, 'pid'), String(process.pid));
  writeFileSync(join(folder, 'port.new'), String(server.address().port));
  renameSync(join(folder, 'port.new'), join(folder, 'port'));
});
