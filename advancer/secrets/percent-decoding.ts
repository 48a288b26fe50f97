/** A text without its percent-encoding, and where in the original each character comes from. */
export interface PercentDecoded {
  readonly text: string;
  /** The place of each character, and behind the last one the end of the original. */
  readonly places: Int32Array;
}

const PERCENT = 37;

/**
 * Undoes one layer of percent-encoding; undefined where there is none. What is no valid encoding of
 * UTF-8 stays as it is. An encoded character that the end of the text cuts off is left out.
 */
export function percentDecoded(text: string): PercentDecoded | undefined {
  if (!/%[0-9a-f]{2}/i.test(text)) return undefined;
  const places = new Int32Array(text.length + 1);
  let decoded = '';
  for (let at = 0; at < text.length;) {
    const percent = text.indexOf('%', at);
    const until = percent < 0 ? text.length : percent;
    for (let raw = at; raw < until; raw += 1) places[decoded.length + raw - at] = raw;
    decoded += text.slice(at, until);
    at = until;
    if (percent < 0) break;
    const read = characterAt(text, at);
    if (read === 'cut') break;
    const characters = read?.text ?? '%';
    places.fill(at, decoded.length, decoded.length + characters.length);
    decoded += characters;
    at = read?.end ?? at + 1;
  }
  places[decoded.length] = text.length;
  return { text: decoded, places: places.subarray(0, decoded.length + 1) };
}

/** The character whose encoding begins here; `cut` if the text ends within it. */
function characterAt(text: string, at: number): { text: string; end: number } | 'cut' | undefined {
  const first = byteAt(text, at);
  if (typeof first !== 'number') return first;
  const more = first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  if (more < 0 || first > 0xf4) return undefined;
  const bytes = [first];
  for (let i = 1; i <= more; i += 1) {
    const byte = byteAt(text, at + 3 * i);
    if (typeof byte !== 'number') return byte;
    bytes.push(byte);
  }
  const decoded = Buffer.from(bytes).toString('utf8');
  return decoded.includes('\ufffd') ? undefined : { text: decoded, end: at + 3 * bytes.length };
}

function byteAt(text: string, at: number): number | 'cut' | undefined {
  if (at >= text.length) return 'cut';
  if (text.charCodeAt(at) !== PERCENT) return undefined;
  const hex = text.slice(at + 1, at + 3);
  if (/^[0-9a-f]{2}$/i.test(hex)) return Number.parseInt(hex, 16);
  return at + 1 + hex.length === text.length && /^[0-9a-f]?$/i.test(hex) ? 'cut' : undefined;
}
