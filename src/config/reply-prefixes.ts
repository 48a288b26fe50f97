/*
 * Where replies go. A requester chooses the subject of its reply, so a replica replies only under
 * prefixes that its operator allows: otherwise anybody could make it publish where they themselves
 * may not, such as to the administration of JetStream.
 */

import { withoutCredentials } from '../redaction.ts';

/** Where an agent or a replica receives replies, unless it is configured. */
export const DEFAULT_INBOX_PREFIX = '_INBOX';

/** Where a replica replies, unless it is configured; `_R_.` is what NATS uses between accounts. */
export const DEFAULT_REPLY_PREFIXES: readonly string[] = ['_INBOX.', '_R_.'];

/** What was read, or what is wrong; the problem continues a sentence after the variable's name. */
type Parsed<T> = { ok: true; value: T } | { ok: false; problem: string };

const TOKENS = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
const MAX_LENGTH = 128;

/** Reads the prefix of an inbox; the dot at its end may be left out. */
export function parseInboxPrefix(text: string): Parsed<string> {
  const prefix = text.replace(/\.$/, '');
  const problem = prefixProblem(prefix);
  return problem === undefined
    ? { ok: true, value: prefix }
    : {
        ok: false,
        problem: `must be a subject such as _INBOX.agent-7: ${quoted(text)} ${problem}`,
      };
}

/** Reads a comma-separated list of prefixes; each comes back with the dot at its end. */
export function parseReplyPrefixes(text: string): Parsed<readonly string[]> {
  const entries = text
    .split(',')
    .map((entry) => entry.trim().replace(/\.$/, ''))
    .filter((entry) => entry !== '');
  if (entries.length === 0)
    return { ok: false, problem: 'must list subjects such as _INBOX.,_R_.; it lists nothing' };
  for (const entry of entries) {
    const problem = prefixProblem(entry);
    if (problem !== undefined) {
      const why = `${quoted(entry)} ${problem}`;
      return { ok: false, problem: `must list subjects such as _INBOX.,_R_.: ${why}` };
    }
  }
  return { ok: true, value: entries.map((entry) => `${entry}.`) };
}

/** Whether a reply may go to the subject. */
export function isReplySubject(subject: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => subject.startsWith(prefix)) && !/[*>\s]/.test(subject);
}

function prefixProblem(prefix: string): string | undefined {
  if (prefix.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`;
  if (/[*>]/.test(prefix)) return 'has a wildcard; write the beginning of the subject alone';
  if (prefix.startsWith('$')) return 'belongs to the NATS server';
  if (!TOKENS.test(prefix)) return 'must be words of A-Z a-z 0-9 _ - with dots between them';
  if (/^leasehold(\.|$)/.test(prefix)) return 'is where requests go, not replies';
  return undefined;
}

function quoted(value: string): string {
  const text = withoutCredentials(value);
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
