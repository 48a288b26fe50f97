import type { Ending } from '../../src/execution/outcome.ts';

/*
 * What an effect can do, and what that means. This is the table of docs/outcomes.md said once more,
 * from outside: no code of the product decides here what a status or an exit code means.
 */

/** What is known of an effect that has ended. */
export type Class = 'succeeded' | 'refused' | 'notBegun' | 'unknown';

/** The kinds of exec cells. */
export type Kind = 'command' | 'http' | 'handler';

/** What an effect leaves as its output, before the cell's `output` decides how it is read. */
export type Raw =
  /** JSON with `done: true`, on stdout or in a body. */
  | 'json'
  /** The same in the output file. */
  | 'file'
  /** A handler's value with `done: true`. */
  | 'value'
  /** A handler's value that is something else. */
  | 'other'
  | 'text'
  /** Text that is not JSON, in the output file. */
  | 'text-file'
  | 'empty'
  /** It can never be stored: too large, or not readable. */
  | 'lost'
  /** There is no output at all. */
  | 'none';

/** One thing that an effect can do. */
export interface Move {
  kind: Kind;
  /** The line of the table that it ends by. */
  line: Ending;
  class: Class;
  raw: Raw;
  exitCode?: number;
  status?: number;
  /** Whether its error says "declined". */
  declined?: true;
  /** How long its receiver asks to wait. */
  retryAfterMs?: number;
  /** It only ends because the cell's time is up. */
  hangs?: true;
}

const command = (
  line: Ending,
  of: Class,
  raw: Raw,
  more: Omit<Partial<Move>, 'kind'> = {},
): Move => ({ kind: 'command', line, class: of, raw, ...more });

const ran = (raw: Raw): Move => command('exit_0', 'succeeded', raw, { exitCode: 0 });
const exited = (exitCode: number): Move => {
  const more = { exitCode, declined: true } as const;
  if (exitCode >= 128) return command('exit_128', 'unknown', 'empty', more);
  if (exitCode >= 126) return command('exit_126_127', 'notBegun', 'empty', more);
  return command('exit_1_125', 'refused', 'empty', more);
};

const http = (line: Ending, of: Class, raw: Raw, more: Omit<Partial<Move>, 'kind'> = {}): Move => ({
  kind: 'http',
  line,
  class: of,
  raw,
  ...more,
});

const done = (raw: Raw, status = 200): Move => http('status_2xx', 'succeeded', raw, { status });
const broken = http('connection_lost', 'unknown', 'none');
const unsent = http('answered_unsent', 'notBegun', 'none');
const answered = (
  line: Ending,
  of: Class,
  status: number,
  more: Omit<Partial<Move>, 'kind'> = {},
): Move => http(line, of, 'text', { status, declined: true, ...more });

const handler = (
  line: Ending,
  of: Class,
  raw: Raw,
  more: Omit<Partial<Move>, 'kind'> = {},
): Move => ({ kind: 'handler', line, class: of, raw, ...more });

const brokenOff = handler('threw_broken_off', 'unknown', 'none');

/** Every move by its name, which effect.sh, the receiver and the handlers know too. */
export const MOVES = {
  'ok-json': ran('json'),
  'ok-late': ran('json'),
  'ok-text': ran('text'),
  'ok-quiet': ran('empty'),
  'ok-file': ran('file'),
  'ok-noisy': ran('file'),
  'ok-text-file': ran('text-file'),
  'ok-large': ran('lost'),
  'ok-large-file': ran('lost'),
  'ok-directory': ran('lost'),
  'exit-1': exited(1),
  'exit-3': exited(3),
  'exit-125': exited(125),
  'exit-126': exited(126),
  'exit-127': exited(127),
  'exit-128': exited(128),
  'exit-137': exited(137),
  'exit-255': exited(255),
  'kill-9': command('signal', 'unknown', 'none'),
  'kill-15': command('signal', 'unknown', 'none'),
  'kill-1': command('signal', 'unknown', 'none'),
  hang: command('stopped', 'unknown', 'none', { hangs: true }),
  'hang-deaf': command('stopped', 'unknown', 'none', { hangs: true }),
  'hang-polite': command('stopped', 'unknown', 'none', { hangs: true }),

  '200-json': done('json'),
  '200-early': done('json'),
  '200-chunked': done('json'),
  '200-gzip': done('json'),
  '201-json': done('json', 201),
  '201-late': done('json', 201),
  '200-text': done('text'),
  '204': done('empty', 204),
  '200-large': done('lost'),
  '200-gzip-large': done('lost'),
  '200-gzip-bad': done('lost'),
  '200-zstd': done('lost'),
  '400': answered('status_4xx', 'refused', 400),
  '403': answered('status_4xx', 'refused', 403),
  '404': answered('status_4xx', 'refused', 404),
  '409': answered('status_4xx', 'refused', 409),
  '422-after': answered('status_4xx', 'refused', 422, { retryAfterMs: 1_000 }),
  '408': answered('status_408', 'unknown', 408),
  '425': answered('status_425', 'notBegun', 425),
  '429': answered('status_429', 'notBegun', 429),
  '429-after': answered('status_429', 'notBegun', 429, { retryAfterMs: 1_000 }),
  '429-date': answered('status_429', 'notBegun', 429, { retryAfterMs: 1_000 }),
  '500': answered('status_5xx', 'unknown', 500),
  '502': answered('status_5xx', 'unknown', 502),
  '503': answered('status_5xx', 'unknown', 503),
  '503-after': answered('status_5xx', 'unknown', 503, { retryAfterMs: 1_000 }),
  '504': answered('status_5xx', 'unknown', 504),
  '301': answered('status_3xx', 'unknown', 301),
  '302': answered('status_3xx', 'unknown', 302),
  '307': answered('status_3xx', 'unknown', 307),
  '101': http('status_1xx', 'unknown', 'none', { status: 101 }),
  reset: broken,
  fin: broken,
  garbage: broken,
  'half-head': broken,
  'half-body': broken,
  'half-chunk': broken,
  'unsent-408': unsent,
  'unsent-fin': unsent,
  silence: http('stopped', 'unknown', 'none', { hangs: true }),
  'half-silence': http('stopped', 'unknown', 'none', { hangs: true }),

  value: handler('returned', 'succeeded', 'value'),
  'value-late': handler('returned', 'succeeded', 'value'),
  'value-bigint': handler('returned', 'succeeded', 'value'),
  'value-nothing': handler('returned', 'succeeded', 'other'),
  'value-text': handler('returned', 'succeeded', 'other'),
  'value-large': handler('returned', 'succeeded', 'lost'),
  'value-function': handler('returned', 'succeeded', 'lost'),
  // Asked to stop when its time is up, it returns all the same.
  'value-stopped': handler('returned', 'succeeded', 'value', { hangs: true }),
  threw: handler('threw', 'refused', 'none', { declined: true }),
  'threw-text': handler('threw', 'refused', 'none', { declined: true }),
  'threw-not-begun': handler('threw_not_begun', 'notBegun', 'none', { declined: true }),
  'threw-unknown': handler('threw_unknown', 'unknown', 'none'),
  'threw-unknown-cause': handler('threw_unknown', 'unknown', 'none'),
  'threw-reset': brokenOff,
  'threw-abort': brokenOff,
  'threw-timeout-cause': brokenOff,
  'threw-aggregate': brokenOff,
  'threw-stopped': handler('threw_after_stop', 'unknown', 'none', { hangs: true }),
  'never-ends': handler('stopped', 'unknown', 'none', { hangs: true }),
} as const satisfies Record<string, Move>;

/** The name of a move. */
export type MoveName = keyof typeof MOVES;

/** The move of a name. */
export function moveOf(name: MoveName): Move {
  return MOVES[name];
}

/** The moves of a kind of cell. */
export function movesOf(kind: Kind): MoveName[] {
  return (Object.keys(MOVES) as MoveName[]).filter((name) => MOVES[name].kind === kind);
}

/** What an effect does instead, if its key has been acted on already, or refused already. */
export const INSTEAD: Record<Kind, { acted: MoveName; refused: MoveName }> = {
  command: { acted: 'ok-json', refused: 'exit-1' },
  http: { acted: '200-json', refused: '403' },
  handler: { acted: 'value', refused: 'threw' },
};
