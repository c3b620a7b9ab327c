"""Single values between Python and the four layouts of the contract, exactly: what does not fit is an error, never rounded."""

import re
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from uuid import UUID

LEAST, GREATEST = -(1 << 63), (1 << 63) - 1
EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)\Z")
_PLAIN = re.compile(r"-?\d+(\.\d+)?\Z")
INFINITE = {float("-inf"): LEAST, float("inf"): GREATEST}


class Json(str):
    """A JSON text, passed on byte by byte."""


def decimal_shape(logical):
    """Precision and scale of `decimal(p,s)`, or None."""
    found = _DECIMAL.match(logical)
    return (int(found[1]), int(found[2])) if found else None


def layout(logical):
    """The layout in which values of a logical type lie: bits, int64, float64, utf8 or bytes."""
    shape = decimal_shape(logical)
    if shape:
        return "int64" if shape[0] <= 18 else "utf8"
    layouts = {"bool": "bits", "float64": "float64", "binary": "bytes"}
    layouts |= dict.fromkeys(("int64", "timestamp", "datetime", "date", "time"), "int64")
    layouts |= dict.fromkeys(("text", "json", "uuid", "decimal"), "utf8")
    if logical not in layouts:
        raise ValueError(f"there is no logical type `{logical}`")
    return layouts[logical]


def _exactly(kind):
    def check(value):
        if type(value) is kind:
            return value
        raise ValueError(f"{_shown(value)} is not of type {kind.__name__}")

    return check


def _shown(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _int64(value):
    if type(value) is not int:
        raise ValueError(f"{_shown(value)} is not an int")
    if LEAST <= value <= GREATEST:
        return value
    raise ValueError(f"{value} does not fit 64 bits")


def _float64(value):
    if type(value) in (int, float) and (type(value) is float or abs(value) <= 1 << 53):
        return float(value)
    raise ValueError(f"{_shown(value)} is not a float")


def _text(value):
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{_shown(value)} holds half a character") from error
    raise ValueError(f"{_shown(value)} is not a str")


def _uuid(value):
    return str(value if isinstance(value, UUID) else UUID(value)).encode()


def _micros(naive):
    return (naive - EPOCH) // MICROSECOND


def _timestamp(value):
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no zone; a timestamp needs one")
        return _micros(value.astimezone(timezone.utc).replace(tzinfo=None))
    return _infinite(value)


def _datetime(value):
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise ValueError(f"{value.isoformat()} has a zone; a wall clock has none")
        return _micros(value)
    return _infinite(value)


def _date(value):
    if isinstance(value, date) and not isinstance(value, datetime):
        return (value - EPOCH.date()).days
    return _infinite(value)


def _infinite(value):
    if isinstance(value, float) and value in INFINITE:
        return INFINITE[value]
    raise ValueError(f"{_shown(value)} is no time of this kind")


def _time(value):
    if isinstance(value, time) and value.tzinfo is None:
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    raise ValueError(f"{_shown(value)} is not a time without zone")


def _decimal(shape):
    def convert(value):
        if type(value) is int:
            value = Decimal(value)
        if not isinstance(value, Decimal) or not value.is_finite():
            raise ValueError(f"{_shown(value)} is not a Decimal")
        if abs(value.adjusted()) > 1000:
            raise ValueError(f"{value} is out of all proportion")
        if shape is None:
            return format(value, "f").encode()
        precision, scale = shape
        sign, digits, exponent = value.as_tuple()
        whole = int("".join(map(str, digits)))
        shift = exponent + scale
        scaled, rest = (whole * 10**shift, 0) if shift >= 0 else divmod(whole, 10**-shift)
        if rest or scaled >= 10**precision:
            raise ValueError(f"{value} does not fit decimal({precision},{scale})")
        if precision <= 18:
            return -scaled if sign else scaled
        return format(value, "f").encode()

    return convert


def encoder(logical):
    """The function that turns a Python value into what lies in a column of this logical type; ValueError if it does not fit."""
    layout(logical)
    if logical.startswith("decimal"):
        return _decimal(decimal_shape(logical))
    return {
        "bool": _exactly(bool), "int64": _int64, "float64": _float64, "text": _text, "json": _text, "uuid": _uuid,
        "binary": lambda value: bytes(_exactly(bytes)(value)), "timestamp": _timestamp, "datetime": _datetime, "date": _date,
        "time": _time,
    }[logical]


def _to_datetime(zone):
    def convert(value):
        if value in (LEAST, GREATEST):
            return float("-inf") if value == LEAST else float("inf")
        try:
            return (EPOCH + timedelta(microseconds=value)).replace(tzinfo=zone)
        except OverflowError as error:
            raise ValueError(f"the time {value} is beyond the years 1 to 9999") from error

    return convert


def _to_date(value):
    if value in (LEAST, GREATEST):
        return float("-inf") if value == LEAST else float("inf")
    try:
        return EPOCH.date() + timedelta(days=value)
    except OverflowError as error:
        raise ValueError(f"the day {value} is beyond the years 1 to 9999") from error


def _to_time(value):
    return (EPOCH + timedelta(microseconds=value)).time()


def _to_decimal(shape):
    def convert(value):
        if shape and shape[0] <= 18:
            return Decimal(value).scaleb(-shape[1])
        text = bytes(value).decode()
        if not _PLAIN.match(text):
            raise ValueError(f"{_shown(text)} is no decimal")
        try:
            return Decimal(text)
        except InvalidOperation as error:
            raise ValueError(f"{_shown(text)} is no decimal") from error

    return convert


def decoder(logical):
    """The function that turns what lies in a column into a Python value; ValueError if Python has none."""
    layout(logical)
    if logical.startswith("decimal"):
        return _to_decimal(decimal_shape(logical))
    return {
        "bool": bool, "int64": int, "float64": float, "text": lambda value: bytes(value).decode(),
        "json": lambda value: Json(bytes(value).decode()), "uuid": lambda value: UUID(bytes(value).decode()), "binary": bytes,
        "timestamp": _to_datetime(timezone.utc), "datetime": _to_datetime(None), "date": _to_date, "time": _to_time,
    }[logical]
