// SAP's CAP with an SQLite database in memory, served as OData V4 and, through the adapter, as V2. `/-/sql` runs statements behind
// the service's back; `/-/calls` says how often the service was called, and forgets it.
import cds from '@sap/cds'
import express from 'express'
import proxy from '@cap-js-community/odata-v2-adapter'
import fs from 'node:fs'
import path from 'node:path'

const [folder] = process.argv.slice(2)
cds.root = import.meta.dirname
cds.env.requires.db = { kind: 'sqlite', impl: '@cap-js/sqlite', driver: 'sql.js', credentials: { url: ':memory:' } }
cds.env.requires.auth = { kind: 'dummy' }
cds.env.features.ieee754compatible = true
cds.env.query.limit = { default: 1000, max: 1000 }
// Batches of a hundred records are larger than what it takes by default.
cds.env.server.body_parser = { limit: '10mb' }
cds.log.Logger = () => ({ trace() {}, debug() {}, info() {}, log() {}, warn() {}, error() {}, setFormat() {} })

const app = express()
let calls = {}
app.use('/-/', express.text({ limit: '100mb', type: () => true }))
app.post('/-/sql', async (request, response) => {
  try {
    const rows = []
    for (const statement of request.body.split(';\n').filter(text => text.trim())) rows.push(await cds.db.run(statement))
    response.json(rows.at(-1) ?? null)
  } catch (error) {
    response.status(500).send(String(error))
  }
})
app.get('/-/calls', (request, response) => {
  response.json(calls)
  calls = {}
})
app.use((request, response, next) => {
  const name = `${request.method} ${request.path.replace(/\(.*\)/, '()')}`
  calls[name] = (calls[name] ?? 0) + 1
  next()
})

app.use(proxy({ path: 'odata/v2', targetPath: 'odata/v4', target: 'auto' }))

const model = await cds.load(path.join(cds.root, 'model.cds'))
cds.model = cds.compile.for.nodejs(model)
cds.db = await cds.connect.to('db')
await cds.deploy(model).to(cds.db)
cds.app = app
await cds.serve('all').from(model).in(app)
const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address()
  cds.emit('listening', { server, url: `http://127.0.0.1:${port}` })
  const temporary = path.join(folder, 'port.new')
  fs.writeFileSync(path.join(folder, 'pid'), String(process.pid))
  fs.writeFileSync(temporary, String(port))
  fs.renameSync(temporary, path.join(folder, 'port'))
})
server.keepAliveTimeout = 60000
