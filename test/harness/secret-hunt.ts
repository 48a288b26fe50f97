/*
 * Looks for secrets where none may be. It shares no code with the product: it decodes what it is
 * given in every way that a secret may have been encoded, and looks for the value itself.
 */

/** A text that was searched, and how the secret in it was written. */
export interface Trace {
  where: string;
  form: string;
  secret: string;
}

/** Every trace of the secrets in the texts, which are named by where they come from. */
export function tracesOf(
  secrets: Readonly<Record<string, string>>,
  texts: Iterable<readonly [where: string, text: string]>,
): Trace[] {
  const traces: Trace[] = [];
  for (const [where, text] of texts) {
    for (const [form, decoded] of formsOf(text)) {
      for (const [secret, value] of Object.entries(secrets))
        if (decoded.includes(value)) traces.push({ where, form, secret });
    }
  }
  return traces;
}

function* formsOf(text: string): Generator<[form: string, text: string]> {
  yield ['as it is', text];
  const unescaped = unescape(text);
  yield ['escaped', unescaped];
  yield ['escaped twice', unescape(unescaped)];
  const plain = percentDecoded(text);
  yield ['in percent', plain];
  yield ['in percent, form', plain.replaceAll('+', ' ')];
  yield ['in percent, escaped', percentDecoded(unescaped)];
  for (const source of [text, unescaped, plain]) {
    for (const [token] of source.matchAll(/[A-Za-z0-9+/_-]{8,}/g)) {
      for (const offset of [0, 1, 2, 3])
        yield ['base64', Buffer.from(token.slice(offset), 'base64').toString('utf8')];
    }
  }
}

function unescape(text: string): string {
  const letters: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };
  return text.replace(
    /\\(?:u([0-9a-f]{4})|(.))/gis,
    (_, hex: string | undefined, char: string | undefined) =>
      hex === undefined
        ? (letters[char ?? ''] ?? char ?? '')
        : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}

/** A secret in every form in which an effect may print it, by the name of the form. */
export function formsToPrint(value: string): Record<string, string> {
  const json = JSON.stringify(value);
  const encoded = encodeURIComponent(value);
  const ascii = json.replace(
    /[^ -~]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const every = Array.from({ length: value.length }, (_, i) => value.charCodeAt(i))
    .map((code) => `\\u${code.toString(16).padStart(4, '0')}`)
    .join('');
  const base64 = (before: string): string => Buffer.from(`${before}${value}`).toString('base64');
  return {
    raw: value,
    json,
    'json twice': JSON.stringify(json),
    'json three times': JSON.stringify(JSON.stringify(json)),
    'json in ASCII': ascii,
    'json in ASCII, twice': JSON.stringify(ascii),
    'json, each character': every,
    'json, with slashes': json.replaceAll('/', '\\/'),
    percent: encoded,
    'percent, lower case': encoded.replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase()),
    'percent, each byte': Buffer.from(value).toString('hex').replace(/../g, '%$&'),
    'percent twice': encodeURIComponent(encoded),
    form: new URLSearchParams({ a: value }).toString().slice(2),
    'percent of json': encodeURIComponent(json),
    base64: base64(''),
    'base64 behind user:': base64('user:'),
    'base64 behind users:': base64('users:'),
    'base64, URL-safe': Buffer.from(value).toString('base64url'),
    'base64 behind ?, URL-safe': Buffer.from(`?${value}`).toString('base64url'),
    'base64 in lines': base64('a long text comes before it: ').replace(/.{20}/g, '$&\n'),
    'percent of base64': encodeURIComponent(base64('u:')),
    'json of base64 in lines': JSON.stringify(base64('').replace(/.{20}/g, '$&\r\n')),
  };
}
