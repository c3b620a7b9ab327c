"""Between this package and the contract's functions. Imported by what `lockstep plugin build` writes, inside of a component."""

import json

from componentize_py_types import Err
from wit_world.imports import types as wit

from . import capabilities, errors
from .batches import Column, Columns, offsets, read
from .errors import PluginError
from .reading import Reading
from .records import values_of
from .sides import Flushed, exported
from .types import Field, ReadRequest, Row, Stream, WriteRequest

_WRAP = {
    "bits": wit.Values_Bits, "int64": wit.Values_Int64, "float64": wit.Values_Float64,
    "utf8": lambda column: wit.Values_Bytes(wit.BytesColumn(*column)), "bytes": lambda column: wit.Values_Bytes(wit.BytesColumn(*column)),
}


def _error(error):
    error = errors.of(error)
    return wit.Error(error.kind, error.code, error.message, error.retry_after_ms, list(error.properties.items()))


def _raised(error):
    value = error.value
    raised = PluginError(value.kind, value.message, code=value.code, retry_after_ms=value.retry_after_ms)
    raised.properties = dict(value.properties)
    return raised


def _answering(function):
    """Every exception is an answer, so that the host hears what went wrong instead of losing the instance."""

    def call(*arguments):
        try:
            return function(*arguments)
        except Exception as error:
            raise Err(_error(error)) from None

    return call


def _field(field):
    return Field(field.name, field.logical_type, field.nullable, dict(field.properties))


def _stream(stream):
    return Stream(stream.name, list(stream.key), [_field(field) for field in stream.fields], dict(stream.properties))


def _wit_stream(stream):
    fields = [wit.Field(field.name, field.logical, field.nullable, list(field.properties.items())) for field in stream.fields]
    return wit.Stream(stream.name, list(stream.key), fields, list(stream.properties.items()))


def _request(request):
    fields = [_field(field) for field in request.fields]
    return ReadRequest(request.stream, list(request.key), fields, request.mode, request.cursor, dict(request.options))


def _batch(rows, columns):
    return wit.Batch(rows, [wit.Column(column.name, column.valid, column.present, _WRAP[column.layout](column.values)) for column in columns])


def _columns(batch):
    columns = []
    for column in batch.columns:
        values = column.values.value
        layout = {wit.Values_Bits: "bits", wit.Values_Int64: "int64", wit.Values_Float64: "float64", wit.Values_Bytes: "bytes"}[type(column.values)]
        values = (values.offsets, values.data) if layout == "bytes" else values
        columns.append(Column(column.name, layout, column.valid, column.present, values))
    return columns


def _rejection(rejected):
    reason = rejected.reason
    error = reason if isinstance(reason, PluginError) else PluginError("invalid-data", str(reason), code="record")
    return wit.Rejection(rejected.position, bytes(rejected.raw)[: 64 << 10], _error(error))


class Reader:
    def __init__(self, reading):
        self._reading = reading

    @_answering
    def next(self, limits):
        rows, columns, page = self._reading.next(limits.rows, limits.bytes)
        kinds = bytes(1 if at in page.deleted else 0 for at in range(rows)) if page.deleted else None
        changes = wit.Changes(kinds, None, None, None, None, _batch(rows, columns))
        return wit.Page(changes, [_rejection(rejected) for rejected in page.rejected], page.cursor, page.status)


class SourceSide:
    @_answering
    def discover(self, config, names):
        streams = exported("source")(json.loads(config or "{}")).discover(list(names))
        return [_wit_stream(stream) for stream in streams if not names or stream.name in names]

    @_answering
    def open(self, config, request):
        source = exported("source")(json.loads(config or "{}"))
        # Whatever a source would make of a name it does not know: an empty reading would look like deleted records.
        if all(stream.name != request.stream for stream in source.discover([request.stream])):
            raise PluginError("not-found", f"there is no stream `{request.stream}`")
        return Reader(Reading(source, _request(request)))


class LookupSide:
    @_answering
    def lookup(self, config, request, keys):
        request = _request(request)
        logicals = {field.name: field.logical for field in request.fields}
        found, misfits = read(_columns(keys), keys.rows, logicals)
        wanted = [key for at, key in enumerate(found) if at not in misfits]
        columns = Columns(request.fields)
        for item in exported("lookup")(json.loads(config or "{}")).lookup(request, wanted):
            columns.push({name: value for name, value in values_of(item).items() if name in columns.names})
        return wit.Changes(None, None, None, None, None, _batch(*columns.finish()))


_KINDS = ("upsert", "delete", "undelete")


def _rows(changes, fields):
    """The rows of a page, and those Python has no value for, already rejected."""
    logicals = {field.name: field.logical for field in fields}
    logicals |= {f"expected:{name}": logical for name, logical in logicals.items()}
    found, misfits = read(_columns(changes.data), changes.data.rows, logicals)
    kinds = changes.kinds or bytes(len(found))
    rows = []
    for at, values in enumerate(found):
        expected = {name[9:]: values.pop(name) for name in [name for name in values if name.startswith("expected:")]}
        row = Row(_KINDS[kinds[at]], values, expected)
        if at in misfits:
            row.reject(PluginError("invalid-data", misfits[at], code="record"))
        rows.append(row)
    return rows


class Writer:
    def __init__(self, writer, fields):
        self._writer, self._fields = writer, fields

    @_answering
    def write(self, changes):
        rows = _rows(changes, self._fields)
        self._writer.write([row for row in rows if row.status == 0])
        failed = [wit.RowError(at, _error(row.error)) for at, row in enumerate(rows) if row.status != 0]
        statuses = bytes(row.status for row in rows) if failed else None
        ids = None
        if any(row.id is not None for row in rows):
            ids = wit.BytesColumn(*offsets([json.dumps(row.id).encode() if row.id is not None else b"" for row in rows]))
        return sink.WriteResults(statuses, failed, ids, None)

    @_answering
    def flush(self):
        flushed = self._writer.flush() or Flushed()
        return sink.Flushed(flushed.written, flushed.unchanged, flushed.deleted, list(flushed.properties.items()))


class SinkSide:
    @_answering
    def describe(self, config, name):
        found = exported("sink")(json.loads(config or "{}")).describe(name)
        return None if found is None else _wit_stream(found)

    @_answering
    def prepare(self, config, wanted, options):
        options = dict(options)
        said = {"evolve": options.get("evolve") == "true", "dry_run": options.get("dry-run") == "true"}
        prepared = exported("sink")(json.loads(config or "{}")).prepare(_stream(wanted), **said)
        return sink.Prepared(_wit_stream(prepared.stream), list(prepared.actions))

    @_answering
    def open(self, config, request):
        stream = _stream(request.stream)
        writer = exported("sink")(json.loads(config or "{}")).open(WriteRequest(stream, request.mode, dict(request.options)))
        return Writer(writer, stream.fields)


class Transformer:
    def __init__(self, transform, fields, out):
        self._transform, self._fields, self._out = transform, fields, Columns(out)

    @_answering
    def apply(self, changes):
        kinds, origins, rejected = bytearray(), [], []
        for at, row in enumerate(_rows(changes, self._fields)):
            try:
                values = row.error or self._transform.apply(dict(row.values))
                if isinstance(values, PluginError):
                    raise values
                if values is None:
                    continue
                self._out.push(values_of(values))
            except (PluginError, ValueError) as error:
                if not isinstance(error, PluginError):
                    error = PluginError("invalid-data", str(error), code="record")
                rejected.append(wit.RowError(at, _error(error)))
                continue
            origins.append(at)
            kinds.append(_KINDS.index(row.kind))
        return transform.Transformed(_kept(changes, kinds, origins, self._out), origins, rejected)


def _kept(changes, kinds, origins, out):
    """What else was said about the rows that go on."""

    def picked(column):
        if column is None:
            return None
        parts = [column.data[column.offsets[at]:column.offsets[at + 1]] for at in origins]
        return wit.BytesColumn(*offsets(parts))

    times = None if changes.changed_at is None else [changes.changed_at[at] for at in origins]
    kinds = bytes(kinds) if any(kinds) else None
    return wit.Changes(kinds, picked(changes.ids), picked(changes.versions), times, picked(changes.origins), _batch(*out.finish()))


class TransformSide:
    @_answering
    def describe(self, config, input):
        return _wit_stream(exported("transform")(json.loads(config or "{}")).describe(_stream(input)))

    @_answering
    def open(self, config, input):
        side, input = exported("transform")(json.loads(config or "{}")), _stream(input)
        return Transformer(side, input.fields, side.describe(input).fields)


class _Passing:
    """A capability of the host: its errors are raised as PluginError."""

    def __init__(self, module):
        self._module = module

    def _ask(self, function, *arguments):
        try:
            return function(*arguments)
        except Err as error:
            raise _raised(error) from None


class _HostFiles(_Passing):
    def list(self, alias):
        return self._ask(self._module.list_files, alias)

    def open(self, alias, path):
        return _OpenFile(self._ask, self._ask(self._module.open, alias, path))

    def write(self, alias, path, data):
        with self._ask(self._module.create, alias, path) as file:
            self._ask(file.append, data)
            self._ask(file.finish)


class _OpenFile:
    def __init__(self, ask, file):
        self._ask, self._file = ask, file

    def __enter__(self):
        self._file.__enter__()
        return self

    def __exit__(self, *error):
        return self._file.__exit__(*error)

    def read(self, offset, length):
        return self._ask(self._file.read, offset, length)

    def digest(self):
        return self._ask(self._file.digest)


class _HostHttp(_Passing):
    def send(self, alias, requests):
        asked = []
        for method, target, headers, body, options in requests:
            headers = [(name, value.encode()) for name, value in headers.items()]
            asked.append(self._module.Request(alias, method, target, headers, body, list(options.items())))
        return [self._answer(answer) for answer in self._module.send(asked)]

    def _answer(self, answer):
        if isinstance(answer, Err):
            return _raised(answer)
        response = getattr(answer, "value", answer)
        headers = {name.lower(): bytes(value).decode("latin-1") for name, value in response.headers}
        return capabilities.Response(response.status, headers, bytes(response.body))


class _HostLog(_Passing):
    def log(self, level, message, fields):
        self._module.log(self._module.Level[level.upper()], message, list(fields.items()))


sink = transform = None


def start(imports, exports):
    """Joins the interfaces that this component has to this package: modules of `wit_world`, by their names."""
    global sink, transform
    sink, transform = exports.get("sink"), exports.get("transform")
    hosts = {"files": _HostFiles, "http": _HostHttp, "log": _HostLog}
    capabilities.provide(**{name: hosts[name](module) for name, module in imports.items() if name in hosts})
    for side in exports:
        exported(side)
