import { cellError } from '../../src/execution/cell-error.ts';
import type { WireRow } from '../../src/execution/row.ts';
import { isJsonObject, type Json, type JsonObject } from '../../src/json.ts';
import type { Tone } from './story.ts';

/** What a row says, for people. */
export interface Moment {
  readonly text: string;
  readonly tone: Tone;
}

/** A row in a sentence. */
export function momentOf(row: WireRow): Moment {
  const { kind, attempt, body } = row;
  switch (kind) {
    case 'started':
      return { text: `attempt ${attempt} began`, tone: 'busy' };
    case 'completed':
      return { text: `attempt ${attempt} succeeded`, tone: 'good' };
    case 'failed':
      return { text: `attempt ${attempt} ${failedText(body)}`, tone: 'bad' };
    case 'interrupted':
      return { text: `attempt ${attempt} ${interruptedText(body)}`, tone: 'doubt' };
    case 'decided':
      return decided(row);
    case 'satisfied':
      return { text: satisfiedText(body), tone: 'good' };
    case 'refuted':
      return { text: `refuted: ${deadlineText(body) ?? cellError(body).message}`, tone: 'bad' };
    case 'skipped':
      return { text: `skipped: ${skippedText(body)}`, tone: 'quiet' };
    case 'unwinding':
      return { text: `undo began, by ${byText(body)}${reasonText(body)}`, tone: 'doubt' };
    case 'cancelled':
      return {
        text: `cancelled by ${byText(body)}${reasonText(body)}${leftText(body)}`,
        tone: 'quiet',
      };
  }
}

function failedText(body: JsonObject): string {
  const { code, message } = cellError(body['error'] ?? null);
  const why = code === undefined ? message : `${message} (${code})`;
  if (body['happened'] === true) return `did what it should not have, or not as expected: ${why}`;
  return body['notBegun'] === true ? `did not begin: ${why}` : `failed: ${why}`;
}

const INTERRUPTED: Readonly<Record<string, string>> = {
  crash: 'was interrupted: its replica was gone, so what became of it is unknown',
  timeout: 'was interrupted: it took too long, so what became of it is unknown',
  aborted: 'was interrupted, so what became of it is unknown',
  not_started: 'was never begun',
  unverified: 'ended, but its output was lost',
};

function interruptedText(body: JsonObject): string {
  const reason = textIn(body, 'reason') ?? '';
  const known = INTERRUPTED[reason] ?? `was interrupted (${reason})`;
  return body['happened'] === true ? `${known}; its effect happened` : known;
}

/** What was decided, by whom and why. Decisions that no agent made begin with an `@`. */
function decided({ attempt, body }: WireRow): Moment {
  const as = textIn(body, 'as') ?? '';
  const words: Readonly<Record<string, string>> = {
    succeeded: `attempt ${attempt} counts as succeeded`,
    failed: `attempt ${attempt} counts as failed`,
    skipped: 'the cell is skipped',
    rerun: 'the cell runs again',
  };
  const tone: Tone = as === 'failed' ? 'bad' : as === 'succeeded' ? 'good' : 'quiet';
  return { text: `decided by ${byText(body)}: ${words[as] ?? as}${reasonText(body)}`, tone };
}

function satisfiedText(body: JsonObject): string {
  const claimId = textIn(body, 'claimId');
  if (claimId !== undefined) {
    const by = textIn(body, 'agentId');
    return `claim ${claimId} is ${textIn(body, 'status') ?? '?'} (revision ${JSON.stringify(body['revision'] ?? null)}${by === undefined ? '' : `, by ${by}`})`;
  }
  const { instances, checks } = body;
  if (Array.isArray(instances))
    return instances.length === 0
      ? 'the list was empty'
      : `${several(instances, 'instance')} completed`;
  if (Array.isArray(checks))
    return checks.length === 1 ? 'the check holds' : `${several(checks, 'check')} hold`;
  return textIn(body, 'until') === undefined ? 'satisfied' : 'the pause was over';
}

function several(items: readonly unknown[], name: string): string {
  return items.length === 1 ? `the ${name}` : `all ${items.length} ${name}s`;
}

function skippedText(body: JsonObject): string {
  const { when } = body;
  return deadlineText(body) ?? (when === undefined ? 'satisfied otherwise' : unmet(when));
}

function unmet(checks: Json): string {
  return cellError({ checks }).message;
}

/** That a deadline passed before the claim had a wanted status. */
function deadlineText(body: JsonObject): string | undefined {
  const deadline = textIn(body, 'deadline');
  if (deadline === undefined) return undefined;
  const now = textIn(body, 'currentStatus');
  const claim = `claim ${textIn(body, 'claimId') ?? ''}`;
  return `the deadline passed, and ${now === undefined ? `${claim} was not made` : `${claim} was ${now}`}`;
}

function byText(body: JsonObject): string {
  const by = textIn(body, 'by') ?? 'somebody';
  const automatic: Readonly<Record<string, string>> = {
    '@policy': "the runbook's policy",
    '@probe': 'the probe',
    '@late-outcome': 'the report of its replica, which came later',
    '@parent': 'its parent',
  };
  return automatic[by] ?? by;
}

function reasonText(body: JsonObject): string {
  const reason = textIn(body, 'reason');
  return reason === undefined || reason === '' ? '' : `: ${reason}`;
}

function leftText({ left }: JsonObject): string {
  if (!Array.isArray(left) || left.length === 0) return '';
  const attempts = left.map((one) =>
    isJsonObject(one)
      ? `attempt ${JSON.stringify(one['attempt'])} of ${textIn(one, 'cellId') ?? '?'}`
      : '?',
  );
  return `; still in doubt: ${attempts.join(', ')}`;
}

function textIn(body: JsonObject, name: string): string | undefined {
  const value = body[name];
  return typeof value === 'string' ? value : undefined;
}
