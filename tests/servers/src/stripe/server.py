# localstripe on loopback only, without keeping anything: `server.py PORT`.
import sys

from aiohttp import web
from localstripe import server

server.store.dump_to_disk = lambda: None


# What is there becomes an hour older.
async def age(_):
    for record in list(server.store.values()):
        if hasattr(record, 'created'):
            record.created -= 3600
    return web.json_response({})


server.app.router.add_post('/-/age', age)
web.run_app(server.app, host='127.0.0.1', port=int(sys.argv[1]), print=None, access_log=None)
