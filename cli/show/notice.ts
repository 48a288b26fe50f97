import type { StatusReply } from '../../src/request/status-reply.ts';
import { suggestion } from '../../src/shell-quote.ts';
import { awaitingText, doubtLines, flightText, haltLines, waitingText } from '../render/receipt.ts';
import type { Tone } from './story.ts';

/** What a reader must know of an instance now, and what can be done about it. */
export interface Notice {
  readonly tone: Tone;
  readonly lines: readonly (string | Command)[];
}

/** A command that can be pasted. */
export interface Command {
  readonly command: string;
}

/** What is the matter with an instance, the most urgent first. */
export function noticesOf(status: StatusReply, nowMs: number): Notice[] {
  const { instanceId, inDoubt, inFlight, awaiting, waiting, children, unwinding, cancelled } =
    status;
  const notices: Notice[] = [];
  const say = (tone: Tone, ...lines: Notice['lines']): void => void notices.push({ tone, lines });
  if (inDoubt !== undefined) say('doubt', ...doubtLines(instanceId, inDoubt, nowMs).map(asCommand));
  if (status.status === 'halted') say('bad', ...haltedLines(status));
  if (cancelled !== undefined) {
    const left = cancelled.left.map(({ cellId, attempt }) => `attempt ${attempt} of ${cellId}`);
    say(
      'quiet',
      `Cancelled by ${cancelled.by}: ${cancelled.reason}`,
      ...(left.length === 0 ? [] : [`What became of ${left.join(', ')} is unknown.`]),
    );
  } else if (unwinding !== undefined) {
    say(
      'doubt',
      `What was done is being undone, by ${unwinding.by}: ${unwinding.reason}`,
      ...(status.status === 'ready' ? [{ command: suggestion('advance', [instanceId]) }] : []),
    );
  }
  if (inFlight !== undefined) say('busy', `Running: ${flightText(inFlight, nowMs)}.`);
  if (awaiting !== undefined) {
    const make = [awaiting.claimId, awaiting.statuses[0] ?? 'STATUS'];
    say('busy', `Parked at ${awaiting.cellId}: ${awaitingText(awaiting, nowMs)}.`, {
      command: `${suggestion('claim', make)} && ${suggestion('advance', [instanceId])}`,
    });
  }
  if (waiting !== undefined)
    say('busy', `Parked at ${waiting.cellId}: ${waitingText(waiting, nowMs)}.`);
  if (children !== undefined) {
    const { cellId, ended, total } = children;
    say('busy', `Parked at ${cellId}: ${ended} of ${total} instances that it started have ended.`, {
      command: suggestion('list', [], ['--parent', instanceId]),
    });
  }
  if (notices.length === 0 && status.status === 'ready' && status.nextCellId !== null)
    say('busy', `The next cell is ${status.nextCellId}.`, {
      command: suggestion('advance', [instanceId]),
    });
  return notices;
}

/** What halted it, and the decisions that move it on. */
function haltedLines({ instanceId, cells, nextCellId }: StatusReply): Notice['lines'] {
  const cell = cells.find(({ cellId }) => cellId === nextCellId);
  if (cell === undefined) return ['Halted.'];
  const { cellId, attempt, error } = cell;
  const why = error === undefined ? '' : `: ${error.message}`;
  const ways = attempt === undefined ? [] : haltLines(instanceId, cellId, attempt);
  return [`Halted at ${cellId}${why}`, ...ways.map(asCommand)];
}

/** Lines that begin with two spaces are commands. */
function asCommand(line: string): string | Command {
  return line.startsWith('  ') ? { command: line.trim() } : line;
}
