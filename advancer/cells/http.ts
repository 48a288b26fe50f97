import { request, validateHeaderName, validateHeaderValue, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { Json, JsonObject } from '../../src/json.ts';
import type { EffectContext } from './cells.ts';
import { openConnection } from './connection.ts';
import { turnsOfTheLoop } from './ending.ts';
import { codeOf, messageOf, refused, type Invocation, type Surroundings } from './invocation.ts';
import { jsonOf, readOutput } from './output.ts';

/** An http effect with its placeholders filled. */
export interface HttpCall {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Json | undefined;
}

/**
 * Makes one http call over a connection of its own. The request is begun only once the connection
 * is open, so that a failure before that is known to have sent nothing, and is definite; after
 * that, only a whole answer is. Redirects are not followed: a 3xx is an answer.
 */
export async function runHttp(
  call: HttpCall,
  context: EffectContext,
  { limits, ending, begun }: Surroundings,
): Promise<Invocation> {
  const prepared = prepare(call, context);
  if (typeof prepared === 'string') return refused('bad_request', prepared);
  const { url } = prepared;
  const connected = await openConnection(url, ending.forced);
  if (connected.kind === 'failed') {
    const error = `could not connect to ${url.host}: ${messageOf(connected.error)}`;
    return {
      kind: 'ended',
      observed: { error },
      code: 'not_connected',
      detail: codeOf(connected.error),
    };
  }
  // Whoever lost the lease while it connected, or slept until now, sends nothing any more.
  if (connected.kind === 'connected') await turnsOfTheLoop();
  if (connected.kind === 'ended' || ending.wanted) {
    if (connected.kind === 'connected') connected.socket.destroy();
    if (ending.cause === 'timeout') {
      const error = `could not connect to ${url.host} in time; nothing was sent`;
      return {
        kind: 'ended',
        observed: { error },
        code: 'not_connected',
        detail: { code: 'ETIMEDOUT' },
      };
    }
    return { kind: 'unknown', reason: ending.cause, detail: { notBegun: true } };
  }
  const answer = await exchange(
    prepared,
    connected.socket,
    limits.outputBytes,
    ending.forced,
    begun,
  );
  const status: JsonObject = answer.status === undefined ? {} : { status: answer.status };
  switch (answer.kind) {
    case 'answered':
      return judgeable(answer.status, answer.body, limits.outputBytes);
    case 'too_large':
      return refused(
        'output_too_large',
        `the answer has more than ${limits.outputBytes} bytes, and was not read to its end`,
        status,
      );
    case 'ended':
      return { kind: 'unknown', reason: ending.cause, detail: status };
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

const NOT_THE_AUTHORS = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'host',
  'expect',
  'upgrade',
]);

/** The request, or why there can be none. */
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
    if (!NOT_THE_AUTHORS.has(name.toLowerCase())) headers[name.toLowerCase()] = value;
  }
  let body: Buffer | undefined;
  if (call.body !== undefined) {
    headers['content-type'] ??= 'application/json';
    // Text under a content type of its own is meant as it stands.
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

type Answer =
  | { kind: 'answered'; status: number; body: Buffer }
  | { kind: 'too_large'; status: number }
  | { kind: 'ended'; status: number | undefined }
  | { kind: 'broken'; status: number | undefined; error: unknown };

function exchange(
  prepared: Prepared,
  socket: Socket,
  limitBytes: number,
  end: AbortSignal,
  begun: () => void,
): Promise<Answer> {
  return new Promise((resolve) => {
    let status: number | undefined;
    const settle = (answer: Answer): void => {
      end.removeEventListener('abort', onEnd);
      resolve(answer);
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
    sent.once('finish', begun);
    sent.on('error', broken);
    sent.on('close', () => {
      // Once an answer has begun, it tells itself whether it came to its end.
      if (status === undefined)
        broken(new Error('the connection was closed before an answer had come'));
    });
    sent.on('upgrade', (answer: IncomingMessage) => {
      settle({ kind: 'answered', status: answer.statusCode ?? 0, body: Buffer.alloc(0) });
    });
    sent.on('response', (answer: IncomingMessage) => {
      status = answer.statusCode ?? 0;
      const arrived = status;
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('error', broken);
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > limitBytes) settle({ kind: 'too_large', status: arrived });
        else chunks.push(chunk);
      });
      answer.on('end', () => {
        if (answer.complete)
          settle({ kind: 'answered', status: arrived, body: Buffer.concat(chunks) });
      });
      answer.on('close', () =>
        broken(new Error('the connection was closed before the whole answer had come')),
      );
    });
    end.addEventListener('abort', onEnd, { once: true });
    sent.end(prepared.body);
  });
}

function judgeable(status: number, body: Buffer, limitBytes: number): Invocation {
  const text = body.toString('utf8');
  const json = jsonOf(text);
  let read = readOutput(json === undefined ? { body: text } : json.value, limitBytes);
  // JSON that cannot be kept (1e999, or nested too deeply) is still text.
  if (!read.ok && read.code === 'bad_output') read = readOutput({ body: text }, limitBytes);
  if (!read.ok) return refused(read.code, `status ${status}, and ${read.message}`, { status });
  const good = status >= 200 && status <= 299;
  const said = text.trim() === '' ? '' : `: ${text.trim()}`;
  return {
    kind: 'ended',
    observed: {
      status,
      output: read.output,
      ...(good ? {} : { error: `status ${status}${said}` }),
    },
    code: 'status',
    detail: { status },
  };
}
