import { gzipSync } from 'node:zlib';

import type { MoveName } from './moves.ts';

/** What a receiver sends back, and what it does to the connection then. */
export interface Exchange {
  text: string | Buffer;
  end: 'fin' | 'reset' | 'silence';
}

const DONE = '{"done": true}';
const LARGE = JSON.stringify({ done: true, filler: 'x'.repeat(300_000) });

/** A complete response. */
function response(status: string, body: string | Buffer, headers: readonly string[] = []): Buffer {
  const bytes = Buffer.from(body);
  const head = [`HTTP/1.1 ${status}`, `Content-Length: ${bytes.length}`, ...headers];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]);
}

const fin = (text: string | Buffer): Exchange => ({ text, end: 'fin' });
const gzip = (body: Buffer): Exchange =>
  fin(response('200 OK', body, ['Content-Encoding: gzip', 'Content-Type: application/json']));
const AFTER = 'Retry-After: 1';

/** The status of a move whose name is one, with what follows a hyphen left out. */
function plainStatus(move: string): Exchange {
  const status = move.replace(/-.*/, '');
  const headers = status.startsWith('3') ? ['Location: /effects/elsewhere'] : [];
  return fin(response(`${status} Declined`, 'declined', headers));
}

/** How a receiver answers each move of an http cell. */
export function exchangeOf(move: MoveName): Exchange {
  switch (move) {
    case '200-json':
      return fin(response('200 OK', DONE));
    case '200-early':
      return fin(`HTTP/1.1 103 Early Hints\r\n\r\n${response('200 OK', DONE).toString()}`);
    case '200-chunked':
      return fin(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n${DONE}\r\n0\r\n\r\n`);
    case '200-gzip':
      return gzip(gzipSync(DONE));
    case '201-json':
    case '201-late':
      return fin(response('201 Created', DONE));
    case '200-text':
      return fin(response('200 OK', 'done'));
    case '204':
      return fin('HTTP/1.1 204 No Content\r\n\r\n');
    case '200-large':
      return fin(response('200 OK', LARGE));
    case '200-gzip-large':
      return gzip(gzipSync(LARGE));
    case '200-gzip-bad':
      return gzip(Buffer.from(DONE));
    case '200-zstd':
      return fin(response('200 OK', DONE, ['Content-Encoding: zstd']));
    case '422-after':
    case '429-after':
    case '503-after':
      return fin(response(`${move.slice(0, 3)} Declined`, 'declined', [AFTER]));
    case '429-date': {
      const nowMs = Date.now();
      const [date, until] = [nowMs, nowMs + 1_000].map((ms) => new Date(ms).toUTCString());
      const headers = [`Date: ${date}`, `Retry-After: ${until}`];
      return fin(response('429 Declined', 'declined', headers));
    }
    case '101':
      return fin('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
    case 'reset':
      return { text: '', end: 'reset' };
    case 'fin':
      return fin('');
    case 'garbage':
      return fin('this is not HTTP\r\n\r\n');
    case 'half-head':
      return fin('HTTP/1.1 200 OK\r\nContent-Le');
    case 'half-body':
      return fin(response('200 OK', DONE).subarray(0, -3));
    case 'half-chunk':
      return fin(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n${DONE}\r\n`);
    case 'silence':
      return { text: '', end: 'silence' };
    case 'half-silence':
      return { text: response('200 OK', DONE).subarray(0, -3), end: 'silence' };
    default:
      return plainStatus(move);
  }
}
