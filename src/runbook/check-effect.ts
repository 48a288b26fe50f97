import type { Json } from '../json.ts';
import { parseDurationMs } from '../time/duration.ts';
import { checkPlaceholders, error, warning, type CellContext } from './check-names.ts';
import { checkOutcomes } from './check-outcomes.ts';
import { checkArguments, checkUrl, checkVariables } from './check-route.ts';
import type { ExecCell } from './cells.ts';
import type { Effect } from './effect.ts';
import type { Finding, Path } from './problem.ts';

/** The fields of an effect that is run as attempts. */
export type Attempt = Pick<
  ExecCell,
  'exec' | 'output' | 'expect' | 'timeout' | 'retry' | 'onInterrupt' | 'probe'
>;

/** Checks an effect and what is said of its attempts, of an exec cell or of an undo. */
export function checkAttempt(attempt: Attempt, context: CellContext): Finding[] {
  return [
    ...checkEffect(attempt.exec, ['exec'], context),
    ...(attempt.probe === undefined ? [] : checkEffect(attempt.probe, ['probe'], context)),
    ...checkExpectations(attempt, context),
    ...checkOutput(attempt),
    ...checkOutcomes(attempt),
    ...checkRetry(attempt),
    ...(parseDurationMs(attempt.timeout ?? '1s') === 0
      ? [error(['timeout'], 'must be longer than zero')]
      : []),
  ];
}

function checkRetry({ retry }: Attempt): Finding[] {
  if (retry === undefined) return [];
  const { attempts, backoff, maxBackoff, factor, jitter } = retry;
  const firstMs = parseDurationMs(backoff ?? '200ms') ?? 0;
  const mostMs = parseDurationMs(maxBackoff ?? '');
  if (mostMs !== undefined && mostMs < firstMs) {
    const message = `is shorter than the first wait, ${backoff ?? 'which is 200ms by default'}`;
    return [error(['retry', 'maxBackoff'], message)];
  }
  if (attempts > 1) return [];
  return Object.entries({ maxBackoff, factor, jitter }).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [warning(['retry', name], 'has little effect: there is one attempt, so no retry')],
  );
}

function checkOutput(attempt: Attempt): Finding[] {
  if (attempt.output === undefined || !('handler' in attempt.exec)) return [];
  const message = 'is only used with a command or an http call: a handler returns its output';
  return [{ ...error(['output'], message), atKey: true }];
}

function checkExpectations(attempt: Attempt, context: CellContext): Finding[] {
  return (attempt.expect ?? []).flatMap((expectation, i) => {
    const at: Path = ['expect', i];
    if ('exitCode' in expectation && !('command' in attempt.exec)) {
      return [error([...at, 'exitCode'], 'can never hold: only a command has an exit code')];
    }
    if ('status' in expectation && !('http' in attempt.exec)) {
      return [error([...at, 'status'], 'can never hold: only an http call has a status')];
    }
    return 'equals' in expectation
      ? checkPlaceholders(expectation.equals, [...at, 'equals'], context)
      : [];
  });
}

const RESERVED_HEADERS = [
  'accept-encoding',
  'idempotency-key',
  'leasehold-fencing-token',
  'content-length',
  'transfer-encoding',
  'connection',
  'host',
];

function checkEffect(effect: Effect, at: Path, context: CellContext): Finding[] {
  if ('handler' in effect) return [];
  const checkField = (value: Json | undefined, path: Path): Finding[] =>
    value === undefined ? [] : checkPlaceholders(value, path, context);
  if ('command' in effect) {
    const path = [...at, 'command'];
    const [program = ''] = effect.command;
    const findings = [
      ...checkField(effect.command, path),
      ...checkArguments(effect.command, path),
      ...checkField(effect.env, [...at, 'env']),
      ...checkVariables(effect.env ?? {}, [...at, 'env']),
      ...checkField(effect.cwd, [...at, 'cwd']),
      ...checkField(effect.stdin, [...at, 'stdin']),
    ];
    if (program === '') findings.push(error([...path, 0], 'must name a program'));
    if (effect.command.length === 1 && /\S\s+\S/.test(program) && !program.includes('${')) {
      findings.push(
        warning(
          [...path, 0],
          'has a space: there is no shell, so write each argument as its own item',
        ),
      );
    }
    return findings;
  }
  const { url, headers = {}, body } = effect.http;
  const path = [...at, 'http'];
  return [
    ...checkField(url, [...path, 'url']),
    ...checkUrl(url, [...path, 'url']),
    ...checkField(headers, [...path, 'headers']),
    ...checkField(body, [...path, 'body']),
    ...checkHeaderNames(headers, [...path, 'headers']),
  ];
}

function checkHeaderNames(headers: Readonly<Record<string, string>>, path: Path): Finding[] {
  return Object.keys(headers).flatMap((name): Finding[] => {
    const where = { path: [...path, name], atKey: true };
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
      return [{ ...where, severity: 'error', message: 'is not a valid header name' }];
    return RESERVED_HEADERS.includes(name.toLowerCase())
      ? [{ ...where, severity: 'warning', message: 'is set by Leasehold; this value is not sent' }]
      : [];
  });
}
