import { request, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import { classOf, classOfStatus } from '../../src/execution/outcome.ts';
import type { JsonObject } from '../../src/json.ts';
import { lostOutput } from '../../src/runbook/lost-output.ts';
import type { OutputMode } from '../../src/runbook/runbook.ts';
import type { Redaction } from '../secrets/redaction.ts';
import type { EffectContext } from './cells.ts';
import { openConnection } from './connection.ts';
import { decodeBody } from './content-encoding.ts';
import { eventLoopTurns } from './cancellation.ts';
import { prepare, type HttpCall, type PreparedRequest } from './http-request.ts';
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

/**
 * Makes one http call over its own connection. The request is sent only once the connection is
 * open: after a failure before that, nothing was begun; after that, only a complete response says
 * what became of the effect. Redirects are not followed.
 */
export async function runHttp(
  call: HttpCall,
  context: EffectContext,
  { clock, limits, httpAllow, cancellation, redaction, outputMode, onBegun }: InvocationOptions,
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
  const early = spokenFirst(connected.socket, redaction());
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
        redaction: redaction(),
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
function spokenFirst(socket: Socket, redaction: Redaction): string | undefined {
  if (socket.readableLength > 0) {
    const [line = ''] = redaction.text(String(socket.read()), true).split('\r\n', 1);
    return `answered before anything was sent: ${line}`;
  }
  if (!socket.readableEnded && !socket.destroyed) return undefined;
  return 'closed the connection before anything was sent';
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
  prepared: PreparedRequest,
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
  redaction: Redaction;
  /** The wall clock. */
  nowMs: number;
}

async function invocationOf(call: HttpCall, answer: Answer, how: Reading): Promise<Invocation> {
  const { status, headers } = answer;
  const { redaction, nowMs } = how;
  const { read, body } = await readAnswer(answer, how);
  const outcome = classOfStatus(status, call);
  const error = (): string => {
    const text = redaction.text(textOf(body), answer.bytes > how.limitBytes).trim();
    return `status ${status}${text === '' ? '' : `: ${text}`}`;
  };
  const retryAfter = redaction.text(headers['retry-after'] ?? '');
  return endedAs(outcome, {
    observed: {
      status,
      output: read.output,
      ...(outcome === 'succeeded' ? {} : { error: error() }),
    },
    code: 'status',
    detail: { status, ...read.detail },
    retryAfterMs: retryAfterMs({ 'retry-after': retryAfter, date: headers.date }, nowMs),
  });
}

/** The output, and the body for messages. */
async function readAnswer(
  { headers, body, bytes }: Answer,
  how: Reading,
): Promise<{ read: ReadOutput; body: Buffer }> {
  const { limitBytes, redaction } = how;
  if (bytes > limitBytes) {
    const head = redaction.text(textOf(body), true);
    return { read: tooLarge('the response', bytes, limitBytes, head), body };
  }
  const encodings = redaction.text(headers['content-encoding'] ?? '');
  const decoded = await decodeBody(body, encodings, limitBytes);
  if (decoded.ok) return { read: readBytes(decoded.body, 'body', how), body: decoded.body };
  const output = lostOutput(`the body ${decoded.why}`, bytes, '');
  // Its text cannot be read, so nothing of it is shown.
  return { read: lost('not_json', output), body: Buffer.alloc(0) };
}
