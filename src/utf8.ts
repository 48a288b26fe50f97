/** Where bytes are not UTF-8. Line and column start at 1. */
interface NotUtf8 {
  line: number;
  column: number;
  /** The first byte of the sequence that is not UTF-8. */
  byte: number;
}

/** Decodes UTF-8 and skips a byte-order mark. */
export function decodeUtf8(
  bytes: Uint8Array,
): { ok: true; text: string } | ({ ok: false } & NotUtf8) {
  const text = decoded(bytes, false);
  if (text !== undefined) return { ok: true, text };
  const before = validStart(bytes);
  const lines = before.split('\n');
  const offset = Buffer.byteLength(before) + (startsWithMark(bytes) ? 3 : 0);
  return {
    ok: false,
    line: lines.length,
    column: (lines.at(-1)?.length ?? 0) + 1,
    byte: bytes[offset] ?? 0,
  };
}

/** What to say about bytes that are not UTF-8; continues a sentence after the file's name. */
export function notUtf8Text({ line, column, byte }: NotUtf8): string {
  const hex = byte.toString(16).toUpperCase().padStart(2, '0');
  return `is not UTF-8: byte 0x${hex} at line ${line}, column ${column} begins no character; save the file as UTF-8`;
}

/** The text up to the first sequence that is not UTF-8. */
function validStart(bytes: Uint8Array): string {
  // The decoder does not say where it failed, but whether a start of the bytes is valid, up to a
  // sequence that may go on, is monotone in the length of that start.
  let valid = 0;
  let invalid = bytes.length + 1;
  while (invalid - valid > 1) {
    const middle = Math.floor((valid + invalid) / 2);
    if (decoded(bytes.subarray(0, middle), true) === undefined) invalid = middle;
    else valid = middle;
  }
  return decoded(bytes.subarray(0, valid), true) ?? '';
}

/**
 * @param mayGoOn whether the bytes may end inside a sequence, which is then left out
 * @returns undefined for bytes that are not UTF-8
 */
function decoded(bytes: Uint8Array, mayGoOn: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: mayGoOn });
  } catch {
    return undefined;
  }
}

function startsWithMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}
