# Customers behind `spyne` from PyPI, in SOAP 1.2 at `/crm`, for whoever says the token in the header; what tests do behind its back is below
# `/-/`: `server.py PORT`.
import json
import sys
import threading
from datetime import datetime, timedelta
from decimal import Decimal as Number
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytz
from spyne import Application, Boolean, ComplexModel, Date, DateTime, Decimal, Fault, Integer32, Iterable, ServiceBase, Unicode, rpc
from spyne.protocol.soap import Soap12
from spyne.server.wsgi import WsgiApplication

SERVICE = 'urn:example:crm'
TYPES = 'urn:example:crm:types'
TOKEN = 'the-session-of-lockstep-0123456789'
FIELDS = ['Number', 'Name', 'Credit', 'Blocked', 'Since', 'Tag', 'Vat']

lock = threading.RLock()
customers = {}
calls = {}
types = []


class Session(ComplexModel):
    __namespace__ = TYPES
    Token = Unicode(min_occurs=1, nillable=False)


class Customer(ComplexModel):
    __namespace__ = TYPES
    Id = Integer32(min_occurs=0, nillable=False)
    Changed = DateTime(min_occurs=0, nillable=False)
    Number = Unicode(min_occurs=0, nillable=False)
    Name = Unicode(min_occurs=0)
    Credit = Decimal(18, 2, min_occurs=0)
    Blocked = Boolean(min_occurs=0, nillable=False)
    Since = Date(min_occurs=0)
    Tag = Unicode(min_occurs=0, max_occurs='unbounded', nillable=False)


class Company(Customer):
    __namespace__ = TYPES
    Vat = Unicode(min_occurs=0)


def called(ctx, name):
    calls[name] = calls.get(name, 0) + 1
    types.append(ctx.transport.req_env.get('CONTENT_TYPE'))
    if ctx.in_header is None or ctx.in_header.Token != TOKEN:
        raise Fault('Client.FailedAuthentication', 'the session is not known')


class Crm(ServiceBase):
    __in_header__ = Session

    @rpc(Integer32, DateTime, Integer32, _returns=Iterable(Customer))
    def List(ctx, After, ChangedSince, Limit):
        with lock:
            called(ctx, 'List')
            wanted = lambda customer: customer.Id > (After or 0) and (ChangedSince is None or customer.Changed >= ChangedSince)
            return [customers[key] for key in sorted(customers) if wanted(customers[key])][:Limit]

    @rpc(Integer32(max_occurs='unbounded'), _returns=Iterable(Customer))
    def Find(ctx, Id):
        with lock:
            called(ctx, 'Find')
            return [customers[key] for key in sorted(set(Id or [])) if key in customers]

    @rpc(Customer, _returns=Integer32)
    def Save(ctx, Customer):
        with lock:
            called(ctx, 'Save')
            if Customer.Name == 'refuse me':
                raise Fault('Client.BAD_NAME', 'the name is refused', detail={'Reason': {'Code': 'E17'}})
            if Customer.Name == 'break down':
                raise ValueError('object reference not set to an instance of an object')
            known = customers.get(Customer.Id)
            if Customer.Id is not None and known is None:
                raise Fault('Client.NOT_FOUND', 'no such customer')
            if known is None and any(other.Number == Customer.Number for other in customers.values()):
                raise Fault('Client.TAKEN', 'the number is taken')
            if known is None:
                Customer.Id = max(customers, default=0) + 1
                known = customers[Customer.Id] = Customer
            for field in FIELDS:
                if getattr(Customer, field, None) is not None:
                    setattr(known, field, getattr(Customer, field))
            known.Changed = datetime.now(pytz.utc)
            return known.Id

    @rpc(Integer32)
    def Delete(ctx, Id):
        with lock:
            called(ctx, 'Delete')
            if customers.pop(Id, None) is None:
                raise Fault('Client.NOT_FOUND', 'no such customer')


def seed(told):
    for row in told:
        # What is there from the beginning is older than any lookback.
        customer = Customer(Id=max(customers, default=0) + 1, Changed=datetime.now(pytz.utc) - timedelta(days=1))
        for field in row:
            setattr(customer, field, Number(row[field]) if field == 'Credit' else row[field])
        customers[customer.Id] = customer


def shown(customer):
    values = {field: getattr(customer, field, None) for field in ['Id'] + FIELDS}
    texts = {field: str(value) if isinstance(value, Number) else value for field, value in values.items()}
    return {'Type': type(customer).__name__, **texts}


def behind(environ, respond):
    told = environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0))
    answers = {
        '/-/seed': lambda: seed(json.loads(told)),
        '/-/state': lambda: [shown(customers[key]) for key in sorted(customers)],
        '/-/calls': lambda: calls,
        '/-/types': lambda: types,
    }
    with lock:
        body = json.dumps(answers[environ['PATH_INFO']]()).encode()
    respond('200 OK', [('Content-Type', 'application/json'), ('Content-Length', str(len(body)))])
    return [body]


protocol = lambda **more: Soap12(polymorphic=True, **more)
service = WsgiApplication(Application([Crm], SERVICE, name='Crm', classes=[Company], in_protocol=protocol(validator='lxml'), out_protocol=protocol()))


def answer(environ, respond):
    return (behind if environ['PATH_INFO'].startswith('/-/') else service)(environ, respond)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


make_server('127.0.0.1', int(sys.argv[1]), answer, Server, Quiet).serve_forever()
