import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';

/** A body without its encoding, or why it cannot be had; `why` continues a sentence after it. */
export type DecodedBody = { ok: true; body: Buffer } | { ok: false; why: string };

type Decoder = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['br', promisify(brotliDecompress)],
  ['deflate', inflateEither],
]);

/** More encodings on top of each other are not meant seriously. */
const MOST_ENCODINGS = 3;

/**
 * Undoes the encodings of a body, which a server may use although nobody asked for them.
 *
 * @param encodings the value of `content-encoding`: names in the order in which they were applied
 * @param limitBytes the largest body; a small one may decode to any size
 */
export async function decodeBody(
  body: Buffer,
  encodings: string,
  limitBytes: number,
): Promise<DecodedBody> {
  const names = encodings
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity');
  // An answer to HEAD, or one without content, names the encoding of a body that is not there.
  if (body.length === 0) return { ok: true, body };
  if (names.length > MOST_ENCODINGS)
    return { ok: false, why: `has more than ${MOST_ENCODINGS} encodings` };
  let decoded = body;
  for (const name of names.toReversed()) {
    const decode = DECODERS.get(name);
    if (decode === undefined)
      return { ok: false, why: `has the encoding ${name.slice(0, 40)}, which is not supported` };
    try {
      decoded = await decode(decoded, { maxOutputLength: limitBytes });
    } catch (error) {
      const tooLarge = (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE';
      return {
        ok: false,
        why: tooLarge
          ? `has more than ${limitBytes} bytes once its encoding ${name} is undone`
          : `says that its encoding is ${name}, but is not`,
      };
    }
  }
  return { ok: true, body: decoded };
}

/** Many servers send `deflate` without the header that the standard asks for. */
async function inflateEither(body: Buffer, options: { maxOutputLength: number }): Promise<Buffer> {
  // With the header, the low half of the first byte is 8 and the first two are a multiple of 31.
  const header = body.length > 1 ? body.readUInt16BE(0) : 0;
  const hasHeader = ((header >> 8) & 0x0f) === 8 && header % 31 === 0;
  return promisify(hasHeader ? inflate : inflateRaw)(body, options);
}
