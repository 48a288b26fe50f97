import type { Ending } from './outcome.ts';

/**
 * Marks the errors by which a handler states what it knows. A registered symbol: the module of the
 * handlers may have loaded another copy of this one.
 */
const STATES: unique symbol = Symbol.for('leasehold.outcome');

/**
 * A handler throws it to state that nothing was sent. The next attempt gets the same idempotency
 * key.
 */
export class NotBegun extends Error {
  override readonly name: string = 'NotBegun';
  readonly [STATES] = 'threw_not_begun';
}

/**
 * A handler throws it to state that its effect may have happened. The attempt is then in doubt, and
 * the cell's `onInterrupt` says what follows.
 */
export class OutcomeUnknown extends Error {
  override readonly name: string = 'OutcomeUnknown';
  readonly [STATES] = 'threw_unknown';
}

/** How many errors of a chain of causes are looked at. */
const MAX_ERRORS = 100;

/**
 * Which ending an error is that a handler threw before it was asked to stop.
 *
 * A `NotBegun` counts only where it is what was thrown: as the cause of another error it says
 * nothing about what the handler did before. The opposite holds for doubts: one anywhere in the
 * chain of causes, or among the errors of an `AggregateError`, makes the outcome unknown.
 */
export function endingOfError(
  thrown: unknown,
): Extract<Ending, 'threw' | 'threw_not_begun' | 'threw_unknown' | 'threw_broken_off'> {
  try {
    if (statementOf(thrown) === 'threw_not_begun') return 'threw_not_begun';
    const chain = chainOf(thrown);
    if (chain.some((error) => statementOf(error) === 'threw_unknown')) return 'threw_unknown';
    return chain.some(brokenOff) ? 'threw_broken_off' : 'threw';
  } catch {
    // An error that cannot be read says nothing.
    return 'threw_unknown';
  }
}

/** The error, its causes, and the errors that it is made of. */
function chainOf(thrown: unknown): object[] {
  const found = new Set<object>();
  const add = (error: unknown): void => {
    if (typeof error === 'object' && error !== null && found.size < MAX_ERRORS) found.add(error);
  };
  add(thrown);
  // A set visits what is added to it on the way.
  for (const error of found) {
    const { cause, errors } = error as { cause?: unknown; errors?: unknown };
    add(cause);
    if (Array.isArray(errors)) errors.forEach(add);
  }
  return [...found];
}

function statementOf(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  return (error as { [STATES]?: unknown })[STATES];
}

/**
 * Codes of connection, time-out and abort errors (Node, undici, gRPC clients, Postgres), and of
 * what this machine was short of: a handler may run out of files after its effect.
 */
const CODES =
  /^(E(MFILE|NFILE|AGAIN|NOMEM|NOBUFS|NOSPC|CONN(RESET|REFUSED|ABORTED)|PIPE|(SOCKET)?TIMEDOUT|HOST(UNREACH|DOWN)|NET(UNREACH|DOWN|RESET)|NOTCONN|SHUTDOWN|PROTO|AI_AGAIN|NOTFOUND|RR_(NETWORK|CANCELED|SOCKET_CLOSED|STREAM_PREMATURE_CLOSE|HTTP2_\w+|TLS_\w+|SSL_\w+))|UND_ERR_\w+|ABORT_ERR|TIMEOUT|\w*CONNECTION_(CLOSED|ENDED|DESTROYED|TIMEOUT|LOST)\w*|08\w{3}|57P0[1-3])$/;

/** Names of such errors: AbortError, TimeoutError, ConnectTimeoutError, SocketError. */
const NAMES = /(Abort|Cancell?ed|Timed?[oO]ut|Connection|Socket|Network)\w*(Error|Exception)$/;

/** Messages of such errors of libraries that give them neither a code nor a special name. */
const MESSAGES =
  /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect|socket hang up|terminated$|network error)/i;

function brokenOff(error: object): boolean {
  const { code, name, message } = error as { code?: unknown; name?: unknown; message?: unknown };
  return (
    (typeof code === 'string' && CODES.test(code)) ||
    (typeof name === 'string' && NAMES.test(name)) ||
    (typeof message === 'string' && MESSAGES.test(message))
  );
}
