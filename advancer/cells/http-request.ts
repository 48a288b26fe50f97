import { validateHeaderName, validateHeaderValue } from 'node:http';

import { withoutCredentials } from '../../src/redaction.ts';
import type { MovedStatuses } from '../../src/execution/outcome.ts';
import type { Json } from '../../src/json.ts';
import type { EffectContext } from './cells.ts';
import { messageOf } from './invocation.ts';

/** An http effect with its placeholders filled. */
export interface HttpCall extends MovedStatuses {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Json | undefined;
}

/** A request that can be sent. */
export interface PreparedRequest {
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
export function prepare(call: HttpCall, context: EffectContext): PreparedRequest | string {
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
