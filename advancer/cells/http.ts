import { request, validateHeaderName, validateHeaderValue, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { Json, JsonObject } from '../../src/json.ts';
import type { OutputMode } from '../../src/runbook/runbook.ts';
import type { EffectContext } from './cells.ts';
import { openConnection } from './connection.ts';
import { eventLoopTurns } from './cancellation.ts';
import {
  codeOf,
  isOutOfResources,
  messageOf,
  refused,
  wrongReplica,
  type Invocation,
  type InvocationOptions,
} from './invocation.ts';
import { decodeBody } from './content-encoding.ts';
import type { ReadOutput } from './output.ts';
import { readBytes, textOf } from './text-output.ts';

/** An http effect with its placeholders filled. */
export interface HttpCall {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Json | undefined;
}

/**
 * Makes one http call over its own connection. The request is sent only once the connection is
 * open: a failure before that is definite, because nothing was sent; after that, only a complete
 * response is. Redirects are not followed: a 3xx is a response.
 */
export async function runHttp(
  call: HttpCall,
  context: EffectContext,
  { limits, httpAllow, cancellation, outputMode, onBegun }: InvocationOptions,
): Promise<Invocation> {
  const prepared = prepare(call, context);
  if (typeof prepared === 'string') return refused('bad_request', prepared, { notBegun: true });
  const { url } = prepared;
  const connected = await openConnection(url, {
    allow: httpAllow,
    end: cancellation.forcedSignal,
  });
  if (connected.kind === 'not_allowed')
    return refused('bad_request', connected.why, { notBegun: true });
  if (connected.kind === 'failed') {
    if (isOutOfResources(connected.error)) {
      const why = `this replica could not open a connection: ${messageOf(connected.error)}`;
      return wrongReplica(why, connected.error);
    }
    const error = `could not connect to ${url.host}: ${messageOf(connected.error)}`;
    return {
      kind: 'ended',
      observed: { error },
      code: 'not_connected',
      detail: codeOf(connected.error),
    };
  }
  // If the lease was lost while connecting, or the process was paused until now, send nothing.
  if (connected.kind === 'connected') await eventLoopTurns();
  if (connected.kind === 'ended' || cancellation.requested) {
    if (connected.kind === 'connected') connected.socket.destroy();
    if (cancellation.cause === 'timeout') {
      const error = `could not connect to ${url.host} in time; nothing was sent`;
      return {
        kind: 'ended',
        observed: { error },
        code: 'not_connected',
        detail: { code: 'ETIMEDOUT' },
      };
    }
    return { kind: 'unknown', reason: cancellation.cause, detail: { notBegun: true } };
  }
  const answer = await exchange(
    prepared,
    connected.socket,
    limits.outputBytes,
    cancellation.forcedSignal,
    onBegun,
  );
  const status: JsonObject = answer.status === undefined ? {} : { status: answer.status };
  switch (answer.kind) {
    case 'answered':
      return invocationOf(answer, { mode: outputMode, limitBytes: limits.outputBytes });
    case 'too_large':
      return refused(
        'output_too_large',
        `the answer has more than ${limits.outputBytes} bytes, and was not read to its end`,
        status,
      );
    case 'ended':
      return { kind: 'unknown', reason: cancellation.cause, detail: status };
    case 'broken':
      return {
        kind: 'unknown',
        reason: 'crash',
        detail: { ...status, ...codeOf(answer.error), message: messageOf(answer.error) },
      };
  }
}

interface Prepared {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body: Buffer | undefined;
}

/** Headers that the runner sets itself. */
const RESERVED_HEADERS = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'host',
  'expect',
  'upgrade',
]);

/** The request to send, or why it cannot be sent. */
function prepare(call: HttpCall, context: EffectContext): Prepared | string {
  if (!URL.canParse(call.url)) return `${JSON.stringify(call.url)} is not a URL`;
  const url = new URL(call.url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return `${url.protocol} is not http: or https:`;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(call.headers)) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch (error) {
      return `the header ${JSON.stringify(name)} cannot be sent: ${messageOf(error)}`;
    }
    if (!RESERVED_HEADERS.has(name.toLowerCase())) headers[name.toLowerCase()] = value;
  }
  let body: Buffer | undefined;
  if (call.body !== undefined) {
    headers['content-type'] ??= 'application/json';
    // Text with an explicit content type is sent as it is.
    const isJson = /[/+]json\b/i.test(headers['content-type']);
    body = Buffer.from(
      typeof call.body === 'string' && !isJson ? call.body : JSON.stringify(call.body),
    );
  }
  if (body !== undefined || !['GET', 'HEAD'].includes(call.method)) {
    headers['content-length'] = String(body?.length ?? 0);
  }
  if (url.username !== '' || url.password !== '') {
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers['authorization'] ??= `Basic ${Buffer.from(credentials).toString('base64')}`;
  }
  headers['user-agent'] ??= 'leasehold';
  headers['accept-encoding'] = 'identity';
  headers['host'] = url.host;
  headers['connection'] = 'close';
  headers['idempotency-key'] = context.idempotencyKey;
  headers['leasehold-fencing-token'] = String(context.fencingToken);
  return { method: call.method, url, headers, body };
}

/** A whole answer. */
interface Answer {
  status: number;
  /** Its `content-encoding`. */
  encodings: string;
  body: Buffer;
}

type Exchange =
  | ({ kind: 'answered' } & Answer)
  | { kind: 'too_large'; status: number }
  | { kind: 'ended'; status: number | undefined }
  | { kind: 'broken'; status: number | undefined; error: unknown };

function exchange(
  prepared: Prepared,
  socket: Socket,
  limitBytes: number,
  end: AbortSignal,
  onBegun: () => void,
): Promise<Exchange> {
  return new Promise((resolve) => {
    let status: number | undefined;
    const settle = (exchanged: Exchange): void => {
      end.removeEventListener('abort', onEnd);
      resolve(exchanged);
      sent.destroy();
    };
    const broken = (error: unknown): void => settle({ kind: 'broken', status, error });
    const onEnd = (): void => settle({ kind: 'ended', status });
    const { method, url, headers } = prepared;
    const sent = request({
      method,
      path: `${url.pathname}${url.search}`,
      headers,
      setHost: false,
      createConnection: () => socket,
    });
    sent.once('finish', onBegun);
    sent.on('error', broken);
    sent.on('close', () => {
      // Once a response has begun, its own events say whether it was complete.
      if (status === undefined)
        broken(new Error('the connection was closed before a response arrived'));
    });
    sent.on('upgrade', (response: IncomingMessage) => {
      const body = Buffer.alloc(0);
      settle({ kind: 'answered', status: response.statusCode ?? 0, encodings: '', body });
    });
    sent.on('response', (response: IncomingMessage) => {
      status = response.statusCode ?? 0;
      const arrived = status;
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('error', broken);
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > limitBytes) settle({ kind: 'too_large', status: arrived });
        else chunks.push(chunk);
      });
      response.on('end', () => {
        const encodings = response.headers['content-encoding'] ?? '';
        if (response.complete)
          settle({ kind: 'answered', status: arrived, encodings, body: Buffer.concat(chunks) });
      });
      response.on('close', () =>
        broken(new Error('the connection was closed before the whole response arrived')),
      );
    });
    end.addEventListener('abort', onEnd, { once: true });
    sent.end(prepared.body);
  });
}

async function invocationOf(
  { status, encodings, body }: Answer,
  how: { mode: OutputMode | undefined; limitBytes: number },
): Promise<Invocation> {
  const decoded = await decodeBody(body, encodings, how.limitBytes);
  const read: ReadOutput = decoded.ok
    ? readBytes(decoded.body, 'body', how)
    : { ok: false, code: 'bad_output', message: `the body ${decoded.why}` };
  if (!read.ok) return refused(read.code, `status ${status}, and ${read.message}`, { status });
  const text = decoded.ok ? textOf(decoded.body).trim() : '';
  const good = status >= 200 && status <= 299;
  return {
    kind: 'ended',
    observed: {
      status,
      output: read.output,
      ...(good ? {} : { error: `status ${status}${text === '' ? '' : `: ${text}`}` }),
    },
    code: 'status',
    detail: { status, ...read.detail },
  };
}
