// Tally's XML over HTTP, after its vendor's documentation: one address, requests without an envelope for SOAP, answers in UTF-16 with
// characters that XML does not have, counters for what an import did, and errors with status 200.
let ledgers = [];
let next = 1;
let writes = 0;

export const called = (request) => (/<TALLYREQUEST>(\w+)/.exec(request.text) ?? [])[1] ?? 'nothing';

export function change(state) {
  for (const ledger of state.ledgers ?? []) ledgers.push({ guid: `guid-${next++}`, parent: '\u0004 Primary', opening: '', alter: next, ...ledger });
  if (state.rename) ledgers.find((ledger) => ledger.name === state.rename[0]).name = state.rename[1];
}

export const show = () => ({ ledgers, writes });

const meant = (text) => text.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code))).replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&amp;/g, '&');
// It writes its own marks as references that XML does not have.
const said = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;').replace(/\u0004/g, '&#4;');
const element = (text, name) => {
  const found = new RegExp(`<${name}(?: [^>]*)?>([^<]*)</${name}>`).exec(text);
  if (found) return meant(found[1]);
  return new RegExp(`<${name}(?: [^>]*)?/>`).test(text) ? '' : undefined;
};

function answer(text) {
  return { status: 200, headers: { 'content-type': 'text/xml; charset=utf-16' }, body: Buffer.from(`\ufeff${text}`, 'utf16le') };
}

function counted(counts, error) {
  const names = ['CREATED', 'ALTERED', 'DELETED', 'LASTVCHID', 'LASTMID', 'COMBINED', 'IGNORED', 'ERRORS', 'CANCELLED'];
  const told = names.map((name) => `<${name}>${counts[name] ?? 0}</${name}>`).join('\r\n ');
  return answer(`<RESPONSE>\r\n ${error ? `<LINEERROR>${said(error)}</LINEERROR>\r\n ` : ''}${told}\r\n</RESPONSE>\r\n`);
}

function imported(text) {
  const [, name, action] = /<LEDGER NAME="([^"]*)" ACTION="(\w+)"/.exec(text) ?? [];
  if (name === undefined) return counted({ ERRORS: 1 }, 'Unknown Request, cannot be processed');
  const wanted = meant(name);
  const known = ledgers.find((ledger) => ledger.name === wanted);
  const parent = element(text, 'PARENT');
  if (parent === 'Nowhere') return counted({ ERRORS: 1 }, `Group 'Nowhere' does not exist!`);
  if (action === 'Create' && known) return counted({ IGNORED: 1 });
  if (action !== 'Create' && !known) return counted({ ERRORS: 1 }, `Ledger '${wanted}' does not exist!`);
  writes += 1;
  if (action === 'Delete') {
    ledgers = ledgers.filter((ledger) => ledger !== known);
    return counted({ DELETED: 1 });
  }
  const ledger = known ?? { guid: `guid-${next++}`, name: wanted, parent: 'Sundry Debtors', opening: '' };
  if (parent !== undefined) ledger.parent = parent;
  const opening = element(text, 'OPENINGBALANCE');
  if (opening !== undefined) ledger.opening = opening;
  if (!known) ledgers.push(ledger);
  return counted(known ? { ALTERED: 1 } : { CREATED: 1 });
}

export function handle({ text }) {
  if (called({ text }) === 'Import') return imported(text);
  const shown = ledgers.map(
    (ledger) =>
      `<LEDGER NAME="${said(ledger.name)}" RESERVEDNAME="">\r\n<GUID TYPE="String">${ledger.guid}</GUID>\r\n<PARENT TYPE="String">${said(ledger.parent)}</PARENT>\r\n` +
      `<OPENINGBALANCE TYPE="Amount">${ledger.opening}</OPENINGBALANCE>\r\n<LANGUAGENAME.LIST><NAME.LIST TYPE="String"><NAME>${said(ledger.name)}</NAME></NAME.LIST></LANGUAGENAME.LIST>\r\n</LEDGER>`,
  );
  return answer(
    `<ENVELOPE>\r\n<HEADER><VERSION>1</VERSION><STATUS>1</STATUS></HEADER>\r\n<BODY><DESC></DESC><DATA><COLLECTION ISMSTDEPTYPE="Yes" MSTDEPTYPE="12">\r\n${shown.join('\r\n')}\r\n</COLLECTION></DATA></BODY>\r\n</ENVELOPE>`,
  );
}
