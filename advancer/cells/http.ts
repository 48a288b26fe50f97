import { request, validateHeaderName, validateHeaderValue, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import { withoutCredentials } from '../../src/redaction.ts';
import { classOf, classOfStatus, type MovedStatuses } from '../../src/execution/outcome.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import { lostOutput } from '../../src/runbook/lost-output.ts';
import type { OutputMode } from '../../src/runbook/runbook.ts';
import type { EffectContext } from './cells.ts';
import { openConnection } from './connection.ts';
import { decodeBody } from './content-encoding.ts';
import { eventLoopTurns } from './cancellation.ts';
import {
  codeOf,
  endedAs,
  isOutOfResources,
  messageOf,
  notBegun,
  type Invocation,
  type InvocationOptions,
} from './invocation.ts';
import { lost, tooLarge, type ReadOutput } from './output.ts';
import { retryAfterMs } from './retry-after.ts';
import { readBytes, textOf } from './text-output.ts';

/** An http effect with its placeholders filled. */
export interface HttpCall extends MovedStatuses {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Json | undefined;
}

/**
 * Makes one http call over its own connection. The request is sent only once the connection is
 * open: after a failure before that, nothing was begun; after that, only a complete response says
 * what became of the effect. Redirects are not followed.
 */
export async function runHttp(
  call: HttpCall,
  context: EffectContext,
  { clock, limits, httpAllow, cancellation, outputMode, onBegun }: InvocationOptions,
): Promise<Invocation> {
  const prepared = prepare(call, context);
  if (typeof prepared === 'string') return notBegun('bad_request', prepared);
  const { url } = prepared;
  const connected = await openConnection(url, {
    allow: httpAllow,
    end: cancellation.forcedSignal,
  });
  if (connected.kind === 'not_allowed') return notBegun('bad_request', connected.why);
  if (connected.kind === 'failed') {
    const why = messageOf(connected.error);
    const detail = codeOf(connected.error);
    if (isOutOfResources(connected.error)) {
      const error = `this replica could not open a connection: ${why}`;
      return notConnected('connect_shortage', error, detail);
    }
    return notConnected('not_connected', `could not connect to ${url.host}: ${why}`, detail);
  }
  // If the lease was lost while connecting, or the process was paused until now, send nothing.
  if (connected.kind === 'connected') await eventLoopTurns();
  if (connected.kind === 'ended' || cancellation.requested) {
    if (connected.kind === 'connected') connected.socket.destroy();
    if (cancellation.cause === 'timeout') {
      const error = `could not connect to ${url.host} in time; nothing was sent`;
      return notConnected('not_connected', error, { code: 'ETIMEDOUT' });
    }
    return { kind: 'unknown', reason: cancellation.cause, detail: { notBegun: true } };
  }
  const early = spokenFirst(connected.socket);
  if (early !== undefined) {
    connected.socket.destroy();
    return notConnected('answered_unsent', `${url.host} ${early}`, {});
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
      return invocationOf(call, answer, {
        mode: outputMode,
        limitBytes: limits.outputBytes,
        nowMs: clock.wallMs(),
      });
    case 'ended':
      return { kind: 'unknown', reason: cancellation.cause, detail: status };
    case 'broken':
      return endedAs(classOf('connection_lost'), {
        observed: { error: messageOf(answer.error) },
        code: 'status',
        detail: { ...status, ...codeOf(answer.error) },
      });
  }
}

function notConnected(
  ending: 'not_connected' | 'connect_shortage' | 'answered_unsent',
  error: string,
  detail: JsonObject,
): Invocation {
  return endedAs(classOf(ending), { observed: { error }, code: 'not_connected', detail });
}

/** What the receiver did before anything was sent; undefined if it waits, as it should. */
function spokenFirst(socket: Socket): string | undefined {
  if (socket.readableLength > 0) {
    const [line = ''] = String(socket.read()).split('\r\n', 1);
    return `answered before anything was sent: ${line}`;
  }
  if (!socket.readableEnded && !socket.destroyed) return undefined;
  return 'closed the connection before anything was sent';
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
  if (!URL.canParse(call.url))
    return `${JSON.stringify(withoutCredentials(call.url))} is not a URL`;
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
    let credentials: string;
    try {
      credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    } catch {
      return `the user or password in the URL of ${url.host} is not percent-encoded UTF-8`;
    }
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

/** A complete response. */
interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  /** Its beginning, if it is larger than allowed. */
  body: Buffer;
  /** The size of the whole body. */
  bytes: number;
}

type Exchange =
  | ({ kind: 'answered' } & Answer)
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
      const { statusCode = 0, headers: received } = response;
      const answer = { status: statusCode, headers: received, body: Buffer.alloc(0), bytes: 0 };
      settle({ kind: 'answered', ...answer });
    });
    sent.on('response', (response: IncomingMessage) => {
      status = response.statusCode ?? 0;
      const arrived = { status, headers: response.headers };
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('error', broken);
      // It is read to its end even if it is larger than allowed: only then is it known that the
      // receiver was not broken off.
      response.on('data', (chunk: Buffer) => {
        if (bytes <= limitBytes) chunks.push(chunk.subarray(0, limitBytes - bytes + 1));
        bytes += chunk.length;
      });
      response.on('end', () => {
        if (response.complete)
          settle({ kind: 'answered', ...arrived, body: Buffer.concat(chunks), bytes });
      });
      response.on('close', () =>
        broken(new Error('the connection was closed before the whole response arrived')),
      );
    });
    end.addEventListener('abort', onEnd, { once: true });
    sent.end(prepared.body);
  });
}

/** How a response is read. */
interface Reading {
  mode: OutputMode | undefined;
  limitBytes: number;
  /** The wall clock. */
  nowMs: number;
}

async function invocationOf(call: HttpCall, answer: Answer, how: Reading): Promise<Invocation> {
  const { status, headers } = answer;
  const { read, text } = await readAnswer(answer, how);
  const outcome = classOfStatus(status, call);
  const error = `status ${status}${text === '' ? '' : `: ${text}`}`;
  return endedAs(outcome, {
    observed: { status, output: read.output, ...(outcome === 'succeeded' ? {} : { error }) },
    code: 'status',
    detail: { status, ...read.detail },
    retryAfterMs: retryAfterMs(headers, how.nowMs),
  });
}

/** The output, and the text of the body for messages. */
async function readAnswer(
  { headers, body, bytes }: Answer,
  how: Reading,
): Promise<{ read: ReadOutput; text: string }> {
  const text = textOf(body).trim();
  const { limitBytes } = how;
  if (bytes > limitBytes) return { read: tooLarge('the response', bytes, limitBytes, body), text };
  const decoded = await decodeBody(body, headers['content-encoding'] ?? '', limitBytes);
  if (decoded.ok)
    return { read: readBytes(decoded.body, 'body', how), text: textOf(decoded.body).trim() };
  // Its text cannot be read, so nothing of it is shown.
  return { read: lost('not_json', lostOutput(`the body ${decoded.why}`, bytes, '')), text: '' };
}
