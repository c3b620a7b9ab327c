/** Text as UTF-8 and back, strictly: the engine inside of a component has no TextEncoder. */

/** The bytes of a text; a RangeError if it holds half a character, unless `lossy`, which puts U+FFFD there. */
export function encode(text, lossy = false) {
  const bytes = new Uint8Array(text.length * 3);
  let end = 0;
  for (let at = 0; at < text.length; at += 1) {
    let code = text.charCodeAt(at);
    if (code < 0x80) {
      bytes[end++] = code;
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      const low = text.charCodeAt(at + 1);
      const whole = code < 0xdc00 && low >= 0xdc00 && low < 0xe000;
      if (!whole && !lossy) throw new RangeError("it holds half a character");
      code = whole ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
      if (whole) at += 1;
    }
    if (code < 0x800) bytes[end++] = 0xc0 | (code >> 6);
    else {
      if (code < 0x10000) bytes[end++] = 0xe0 | (code >> 12);
      else {
        bytes[end++] = 0xf0 | (code >> 18);
        bytes[end++] = 0x80 | ((code >> 12) & 63);
      }
      bytes[end++] = 0x80 | ((code >> 6) & 63);
    }
    bytes[end++] = 0x80 | (code & 63);
  }
  return bytes.slice(0, end);
}

const CHUNK = 8192;

/** The text of bytes; a RangeError if they are no UTF-8, unless `lossy`, which puts U+FFFD there. */
export function decode(bytes, lossy = false) {
  let text = "";
  let units = [];
  for (let at = 0; at < bytes.length; ) {
    const [code, length] = character(bytes, at);
    if (code < 0 && !lossy) throw new RangeError(`byte ${at} is no UTF-8`);
    const shown = code < 0 ? 0xfffd : code;
    if (shown >= 0x10000) units.push(0xd800 + ((shown - 0x10000) >> 10), 0xdc00 + ((shown - 0x10000) & 0x3ff));
    else units.push(shown);
    at += length;
    if (units.length >= CHUNK) {
      text += String.fromCharCode.apply(null, units);
      units = [];
    }
  }
  return text + String.fromCharCode.apply(null, units);
}

/** The character at a place and its length; -1 for none. */
function character(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [first, 1];
  const length = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || first >= 0xf5 || at + length > bytes.length) return [-1, 1];
  let code = first & (0x7f >> length);
  for (let next = 1; next < length; next += 1) {
    const byte = bytes[at + next];
    if ((byte & 0xc0) !== 0x80) return [-1, 1];
    code = (code << 6) | (byte & 63);
  }
  const least = [0, 0, 0x80, 0x800, 0x10000][length];
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return [-1, 1];
  return [code, length];
}
