/**
 * Single values between JavaScript and the layouts of the contract, exactly: what does not fit is an error, never rounded.
 *
 * | logical type | in JavaScript |
 * |---|---|
 * | `bool`, `float64`, `text`, `json` | boolean, number, string, string |
 * | `int64` | a number, and a bigint where a number is not exact |
 * | `decimal`, `decimal(p,s)` | a string: `"12.50"` |
 * | `timestamp` | a string with a zone: `"2026-01-02T12:00:00.000000Z"`; a Date is taken too |
 * | `datetime`, `date`, `time` | a string: `"2026-01-02T12:00:00"`, `"2026-01-02"`, `"12:00:00"` |
 * | `uuid`, `binary` | a string, a Uint8Array |
 */

import * as utf8 from "./utf8.mjs";

const LEAST = -(2n ** 63n);
const GREATEST = 2n ** 63n - 1n;
const DAY = 86_400_000_000n;

/** Precision and scale of `decimal(p,s)`, or null. */
export function decimalShape(logical) {
  const found = /^decimal\((\d+),\s*(\d+)\)$/.exec(logical);
  return found && { precision: Number(found[1]), scale: Number(found[2]) };
}

const LAYOUTS = {
  bool: "bits", float64: "float64", binary: "bytes", int64: "int64", timestamp: "int64", datetime: "int64", date: "int64",
  time: "int64", text: "utf8", json: "utf8", uuid: "utf8", decimal: "utf8",
};

/** The layout in which values of a logical type lie. */
export function layout(logical) {
  const shape = decimalShape(logical);
  const found = shape ? (shape.precision <= 18 ? "int64" : "utf8") : LAYOUTS[logical];
  if (!found) throw new RangeError(`there is no logical type \`${logical}\``);
  return found;
}

function shown(value) {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}

function misfit(value, what) {
  throw new RangeError(`${shown(value)} is not ${what}`);
}

function ofType(type, what) {
  return (value) => (typeof value === type ? value : misfit(value, what));
}

function int64(value) {
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === "bigint" && value >= LEAST && value <= GREATEST) return value;
  return misfit(value, "an integer of 64 bits that is exact");
}

function text(value) {
  if (typeof value !== "string") misfit(value, "a string");
  try {
    return utf8.encode(value);
  } catch (error) {
    throw new RangeError(`${shown(value)}: ${error.message}`);
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function uuid(value) {
  return typeof value === "string" && UUID.test(value) ? utf8.encode(value.toLowerCase()) : misfit(value, "a UUID");
}

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?$/;
const MOMENT = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)?$/i;

function days(value) {
  const [, year, month, day] = DATE.exec(value) ?? misfit(value, "a date");
  const moment = new Date(0);
  moment.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (moment.getUTCMonth() !== Number(month) - 1 || moment.getUTCDate() !== Number(day)) misfit(value, "a date");
  return BigInt(Math.round(moment.getTime() / 86_400_000));
}

function time(value) {
  const [, hour, minute, second = "0", fraction = ""] = (typeof value === "string" && TIME.exec(value)) || misfit(value, "a time");
  if (hour > 23 || minute > 59 || second > 59) misfit(value, "a time");
  return BigInt((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000_000n + BigInt(fraction.padEnd(6, "0"));
}

function infinite(value) {
  return value === "infinity" ? GREATEST : value === "-infinity" ? LEAST : null;
}

function moment(value, zoned) {
  if (zoned && value instanceof Date && !Number.isNaN(value.getTime())) return BigInt(value.getTime()) * 1000n;
  if (typeof value !== "string") misfit(value, zoned ? "a time with a zone" : "a time on a wall clock");
  const [, date, clock, zone] = MOMENT.exec(value) ?? misfit(value, "a date with a time");
  if (Boolean(zone) !== zoned) misfit(value, zoned ? "a time with a zone" : "a time without a zone");
  let offset = 0n;
  if (zone && zone.toUpperCase() !== "Z") {
    const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
    offset = BigInt(zone[0] === "-" ? -minutes : minutes) * 60_000_000n;
  }
  return days(date) * DAY + time(clock) - offset;
}

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

function decimal(shape) {
  return (value) => {
    const plain = typeof value === "bigint" || Number.isSafeInteger(value) ? String(value) : value;
    const found = typeof plain === "string" && plain.length < 400 && DECIMAL.exec(plain);
    if (!found) misfit(value, 'a decimal: a string such as "12.50"');
    if (!shape) return utf8.encode(plain);
    const [, sign, whole, fraction = ""] = found;
    const digits = fraction.replace(/0+$/, "");
    const scaled = BigInt(whole + digits.padEnd(shape.scale, "0"));
    if (digits.length > shape.scale || scaled >= 10n ** BigInt(shape.precision)) misfit(value, `within decimal(${shape.precision},${shape.scale})`);
    return shape.precision <= 18 ? (sign ? -scaled : scaled) : utf8.encode(plain);
  };
}

function binary(value) {
  return value instanceof Uint8Array ? value : misfit(value, "a Uint8Array");
}

/** The function that turns a value into what lies in a column of this logical type; a RangeError if it does not fit. */
export function encoder(logical) {
  layout(logical);
  if (logical.startsWith("decimal")) return decimal(decimalShape(logical));
  return {
    bool: ofType("boolean", "a boolean"), float64: ofType("number", "a number"), int64, text, json: text, uuid, binary, time,
    date: (value) => infinite(value) ?? (typeof value === "string" ? days(value) : misfit(value, "a date")),
    timestamp: (value) => infinite(value) ?? moment(value, true),
    datetime: (value) => infinite(value) ?? moment(value, false),
  }[logical];
}

/** An integer as it came: a bigint, or a number that may have been rounded on its way; then it is refused. */
function exact(value) {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return BigInt(value);
  if (value === -(2 ** 63) || value === 2 ** 63) return value < 0 ? LEAST : GREATEST;
  throw new RangeError(`an integer near ${value} does not reach JavaScript exactly`);
}

function pad(value, digits) {
  return String(value).padStart(digits, "0");
}

function dateText(count) {
  const day = new Date(Number(count) * 86_400_000);
  const year = day.getUTCFullYear();
  if (!(year >= 0 && year <= 9999)) throw new RangeError(`the day ${count} is beyond the years 0 to 9999`);
  return `${pad(year, 4)}-${pad(day.getUTCMonth() + 1, 2)}-${pad(day.getUTCDate(), 2)}`;
}

function timeText(micros) {
  const seconds = Number(micros / 1_000_000n);
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((part) => pad(part, 2)).join(":");
  return `${clock}.${pad(micros % 1_000_000n, 6)}`;
}

function momentText(micros) {
  const rest = ((micros % DAY) + DAY) % DAY;
  return `${dateText((micros - rest) / DAY)}T${timeText(rest)}`;
}

function unlessInfinite(show) {
  return (value) => {
    const count = exact(value);
    return count === LEAST ? "-infinity" : count === GREATEST ? "infinity" : show(count);
  };
}

function plainInteger(value) {
  if (value === -(2 ** 63) || value === 2 ** 63) throw new RangeError(`an integer near ${value} does not reach JavaScript exactly`);
  const count = exact(value);
  const number = Number(count);
  return Number.isSafeInteger(number) ? number : count;
}

function decimalText(shape) {
  return (value) => {
    if (!shape || shape.precision > 18) return utf8.decode(value);
    const scaled = exact(value);
    const digits = pad(scaled < 0n ? -scaled : scaled, shape.scale + 1);
    const whole = digits.slice(0, digits.length - shape.scale);
    return `${scaled < 0n ? "-" : ""}${whole}${shape.scale ? `.${digits.slice(-shape.scale)}` : ""}`;
  };
}

/** The function that turns what lies in a column into a value; a RangeError if JavaScript has none. */
export function decoder(logical) {
  layout(logical);
  if (logical.startsWith("decimal")) return decimalText(decimalShape(logical));
  const same = (value) => value;
  return {
    bool: same, float64: same, binary: same, text: (value) => utf8.decode(value), json: (value) => utf8.decode(value),
    uuid: (value) => utf8.decode(value), int64: plainInteger, date: unlessInfinite(dateText), time: (value) => timeText(exact(value)),
    timestamp: unlessInfinite((micros) => `${momentText(micros)}Z`), datetime: unlessInfinite(momentText),
  }[logical];
}
