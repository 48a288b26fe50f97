import type { Json, JsonObject } from '../../src/json.ts';
import { fill, type Scope } from '../../src/runbook/placeholder.ts';
import type { Effect } from '../../src/runbook/runbook.ts';
import { fillUrl } from '../../src/runbook/url-template.ts';
import type { HttpCall } from './http.ts';

/** An effect whose placeholders are filled. */
export type FilledEffect =
  | { kind: 'handler'; name: string }
  | { kind: 'command'; argv: string[] }
  | { kind: 'http'; call: HttpCall };

/**
 * Fills an effect's placeholders. Arguments, URLs and headers are text: other values are inserted
 * as JSON. A URL is filled by position, so that no value changes where the call leads.
 */
export function fillEffect(
  effect: Effect,
  scope: Scope,
): { ok: true; effect: FilledEffect } | { ok: false; message: string } {
  if ('handler' in effect) return { ok: true, effect: { kind: 'handler', name: effect.handler } };
  if ('command' in effect) {
    const filled = fill(effect.command, scope);
    if (!filled.ok) return filled;
    return { ok: true, effect: { kind: 'command', argv: (filled.value as Json[]).map(asText) } };
  }
  const { method, url, headers = {}, body } = effect.http;
  const filledUrl = fillUrl(url, scope);
  if (!filledUrl.ok) return filledUrl;
  const filled = fill({ headers, ...(body === undefined ? {} : { body }) }, scope);
  if (!filled.ok) return filled;
  const value = filled.value as JsonObject;
  const filledHeaders = Object.entries(value['headers'] as JsonObject).map(([name, header]) => [
    name,
    asText(header),
  ]);
  const call: HttpCall = {
    method,
    url: filledUrl.url,
    headers: Object.fromEntries(filledHeaders) as Record<string, string>,
    body: value['body'],
  };
  return { ok: true, effect: { kind: 'http', call } };
}

function asText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
