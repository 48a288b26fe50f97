import type { Json, JsonObject } from '../../src/json.ts';
import { fill, type Scope } from '../../src/runbook/placeholder.ts';
import type { Effect } from '../../src/runbook/runbook.ts';
import { fillUrl } from '../../src/runbook/url-template.ts';
import type { CommandCall } from './command.ts';
import type { HttpCall } from './http-request.ts';

/** An effect whose placeholders are filled. */
export type FilledEffect =
  | { kind: 'handler'; name: string }
  | { kind: 'command'; call: CommandCall }
  | { kind: 'http'; call: HttpCall };

/**
 * Fills an effect's placeholders. Arguments, variables, directories, URLs and headers are text:
 * other values are inserted as JSON. A URL is filled by position, so that no value changes where
 * the call leads.
 */
export function fillEffect(
  effect: Effect,
  scope: Scope,
): { ok: true; effect: FilledEffect } | { ok: false; message: string } {
  if ('handler' in effect) return { ok: true, effect: { kind: 'handler', name: effect.handler } };
  if ('command' in effect) {
    const { command, env = {}, cwd, stdin, refusedExitCodes, unknownExitCodes } = effect;
    const optional = {
      ...(cwd === undefined ? {} : { cwd }),
      ...(stdin === undefined ? {} : { stdin }),
    };
    const filled = fill({ command, env, ...optional }, scope);
    if (!filled.ok) return filled;
    const value = filled.value as JsonObject;
    const call: CommandCall = {
      argv: (value['command'] as Json[]).map(asText),
      env: asTexts(value['env'] as JsonObject),
      cwd: value['cwd'] === undefined ? undefined : asText(value['cwd']),
      stdin: value['stdin'] === undefined ? undefined : asText(value['stdin']),
      refusedExitCodes,
      unknownExitCodes,
    };
    return { ok: true, effect: { kind: 'command', call } };
  }
  const { method, url, headers = {}, body, refused, notBegun, unknown } = effect.http;
  const filledUrl = fillUrl(url, scope);
  if (!filledUrl.ok) return filledUrl;
  const filled = fill({ headers, ...(body === undefined ? {} : { body }) }, scope);
  if (!filled.ok) return filled;
  const value = filled.value as JsonObject;
  const call: HttpCall = {
    method,
    url: filledUrl.url,
    headers: asTexts(value['headers'] as JsonObject),
    body: value['body'],
    refused,
    notBegun,
    unknown,
  };
  return { ok: true, effect: { kind: 'http', call } };
}

function asTexts(values: JsonObject): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, asText(value)]));
}

function asText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
