import { tmpdir } from 'node:os';

import { CommanderError } from 'commander';

import { markedTrouble } from '../src/config/connection-trouble.ts';
import { withoutCredentials } from '../src/redaction.ts';
import type { ErrorCode, ReplyError } from '../src/request/messages.ts';
import { EXIT, exitCodeOfError } from './exit-code.ts';
import { withFlag } from './shared-options.ts';
import { printJson } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/**
 * The code of an error in `--json`: a reply's, or `failure` for one that has no code of a reply.
 */
export type FailureCode = ErrorCode | 'failure';

/** An error as the command line reports it. The exit code follows from `code`. */
export interface Failure {
  code: FailureCode;
  message: string;
  field?: string;
  /** What a person reads, line by line; `message` where it is left out. */
  lines?: readonly string[];
}

/** Reports a failure on stderr, and on stdout with `--json`. Returns the exit code. */
export function reportFailure(terminal: Terminal, json: boolean, failure: Failure): number {
  const { lines, ...failed } = failure;
  const error = { ...failed, message: withoutCredentials(failure.message) };
  if (json) printJson(terminal, { error });
  for (const line of lines ?? [failure.message]) terminal.err(withoutCredentials(line));
  return exitCodeOfError(failure.code);
}

/** Reports what a verb threw. Returns the exit code. */
export function reportError(terminal: Terminal, json: boolean, error: unknown): number {
  // Help and --version end with a CommanderError too, of exit code 0.
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
  return reportFailure(terminal, json, failureOf(error));
}

/** Errors are recognized by name, because their modules may not be loaded. */
function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) {
    // Commander has already printed it for people: the error, or all verbs if none is named.
    const isHelp = error.code === 'commander.help';
    const message = isHelp ? 'no verb is named' : error.message.replace(/^error: /, '');
    return { code: 'invalid', message, lines: [] };
  }
  if (!(error instanceof Error)) return unknownFailure(String(error));
  const { name, message } = error;
  if ((error as NodeJS.ErrnoException).syscall === 'mkdtemp') {
    const text = `TMPDIR: ${tmpdir()} cannot be written to (${message}); name a directory that can`;
    return { code: 'invalid', message: text };
  }
  switch (name) {
    case 'LeaseholdError':
      return failureOfReply(error as Error & { toJSON(): { error: ReplyError } });
    case 'ConfigError': {
      const text = message.split('\n').map(withFlag).join('\n');
      return { code: 'invalid', message: text };
    }
    case 'ServerNotFoundError':
    case 'ServerStartError':
    case 'ServerUnreachable': {
      const lines = [`the stack could not be started: ${withFlag(message)}`];
      return { code: 'unavailable', message: withFlag(message), lines };
    }
    case 'LogUnavailable':
      return unavailable(error, 'check that Postgres is running and that --database is right');
    case 'StreamUnavailable':
      return unavailable(error, 'check that NATS is running, with JetStream, and --nats is right');
    case 'StoreUnavailable':
      return unavailable(error, 'check that etcd is running and that --etcd is right');
    default:
      return isUnreachable(error)
        ? unavailable(
            error,
            'check that the server is running and its URL is right',
            connectionText(error),
          )
        : unknownFailure(message === '' ? name : message);
  }
}

function failureOfReply(thrown: Error & { toJSON(): { error: ReplyError } }): Failure {
  const { error } = thrown.toJSON();
  const line = `${error.code}: ${error.message}`;
  const hint =
    'check that NATS is running and that a replica runs in this namespace (leasehold replicas)';
  const isUnknown = error.code === 'not_found' && error.field === 'instanceId';
  const more =
    error.code === 'unavailable'
      ? markedTrouble(thrown) === undefined
        ? [hint]
        : []
      : isUnknown
        ? ['to see which instances there are: leasehold list']
        : [];
  return { ...error, lines: [line, ...more] };
}

/** @param hint what to check if the error itself does not say that the server is there */
function unavailable(error: Error, hint: string, message = error.message): Failure {
  const hints = markedTrouble(error) === undefined ? [hint] : [];
  return { code: 'unavailable', message, lines: [`unavailable: ${message}`, ...hints] };
}

function unknownFailure(message: string): Failure {
  return { code: 'failure', message, lines: [`error: ${message}`] };
}

/** Codes of Node errors that mean that a server could not be reached. */
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
]);

function isUnreachable(error: Error): boolean {
  return UNREACHABLE.has((error as NodeJS.ErrnoException).code ?? '');
}

/** Node leaves the message empty where it tried several addresses of one name. */
function connectionText(error: Error): string {
  if (error.message !== '') return error.message;
  const errors = (error as AggregateError).errors as Error[] | undefined;
  return errors?.map(({ message }) => message).join('; ') ?? String(error);
}
