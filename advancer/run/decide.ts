import { nextStep, type NextStep } from '../../src/execution/plan.ts';
import type { Json } from '../../src/json.ts';
import type { Verdict } from '../../src/execution/row.ts';
import { statusOf } from '../../src/execution/status.ts';
import type { DecideMessage, ReplyError } from '../../src/request/messages.ts';
import type { RunContext } from './context.ts';
import { decisionBy, doubtEvidence, ownWord } from './evidence.ts';
import type { InstanceLog, Requester } from './instance-log.ts';
import type { Job, NotDone } from './recover.ts';
import { refusedByPostgres } from './receipts.ts';
import { proposeDecision, settleByEvidence } from './settle.ts';

/** How a person's decision ended. */
export type Decided =
  | { kind: 'decided'; instanceId: string; seq: number; as: Verdict }
  | { kind: 'refused'; error: ReplyError }
  /** This replica does not lead the instance any more: the decision is for the one that does. */
  | { kind: 'handed_on' };

/**
 * A person's answer to a doubt, or to a cell that halted its instance. Only one answer counts; a
 * second one gets `conflict`.
 */
export class DecideJob implements Job<Decided> {
  readonly requester: Requester;
  readonly #context: RunContext;
  readonly #instanceId: string;
  readonly #message: DecideMessage;

  constructor(context: RunContext, instanceId: string, message: DecideMessage) {
    this.#context = context;
    this.#instanceId = instanceId;
    this.#message = message;
    this.requester = { requestId: null, agentId: message.agentId };
  }

  notDone(why: NotDone): Decided {
    if (typeof why === 'object') return refused('unavailable', refusedByPostgres(why.rejected));
    return why === 'no_instance'
      ? refused('not_found', `there is no instance ${this.#instanceId}`, 'instanceId')
      : { kind: 'handed_on' };
  }

  stillOpen(_log: InstanceLog, { open }: Extract<NextStep, { do: 'close' }>): Decided {
    const { attempt, cellId } = open;
    return refused('conflict', `attempt ${attempt} of cell ${cellId} is still running`);
  }

  async work(log: InstanceLog): Promise<Decided> {
    const step = nextStep(log.view);
    switch (step.do) {
      case 'settle':
        return this.#settle(log, step);
      case 'halt':
        return this.#repair(log, step);
      case 'unwind': {
        const message =
          `instance ${this.#instanceId} is about to be undone, as its runbook wants after a halt ` +
          '(onHalt: undo): advance it, or cancel it to keep what was done';
        return refused('conflict', message);
      }
      default:
        return refused('conflict', this.#decidedBefore(log) ?? this.#nothingToDecide(log));
    }
  }

  /** Answers a doubt. */
  async #settle(log: InstanceLog, step: Extract<NextStep, { do: 'settle' }>): Promise<Decided> {
    const { cellId, attempt, as } = this.#message;
    const evidence = await settleByEvidence(this.#context, log, step, this.requester);
    if (evidence.kind === 'settles')
      return refused('conflict', 'the doubt was settled by a late outcome from its holder');
    const { doubt } = step;
    if (doubt.cellId !== cellId || doubt.attempt !== attempt) {
      const actual = `attempt ${doubt.attempt} of cell ${doubt.cellId}`;
      const message = `${actual} is in doubt, not the one named`;
      return refused('conflict', this.#decidedBefore(log) ?? message);
    }
    if (doubt.reason === 'not_started' && as !== 'rerun')
      return refused('conflict', 'the effect never began, so the only possible decision is rerun');
    // Nobody can decide away that the effect happened, whether the log says so or late evidence.
    const isKept = as === 'failed' && evidence.kind === 'needs_person' && evidence.happened;
    return this.#decide(log, doubt, isKept);
  }

  /** Answers a cell that failed for good, or was refuted. */
  async #repair(log: InstanceLog, step: Extract<NextStep, { do: 'halt' }>): Promise<Decided> {
    const { as } = this.#message;
    const { cell, attempt, why } = step;
    if (attempt === undefined) return refused('conflict', `cell ${cell.id} ${why}`);
    const named = `attempt ${attempt} of cell ${cell.id}`;
    if (cell.id !== this.#message.cellId || attempt !== this.#message.attempt) {
      const message = `${named} halted the instance, not the one named`;
      return refused('conflict', this.#decidedBefore(log) ?? message);
    }
    if (as === 'failed') {
      const message =
        `as: ${named} has failed already, and halted the instance; ` +
        'decide rerun, succeeded or skipped, or cancel the instance';
      return refused('conflict', message, 'as');
    }
    const record = log.view.state.cells.get(cell.id);
    const repaired = { cellId: cell.id, attempt, happened: record?.happened === true };
    // It failed because somebody decided so; its own process may have reported since.
    if (record?.decision?.attempt !== attempt) return this.#decide(log, repaired);
    const late = await this.#context.log.lateOutcomes(this.#instanceId, cell.id, attempt);
    const evidence = ownWord(late, log.view.state.newestAttempt);
    const { happened, lateOutcome } = doubtEvidence({ happened: false }, evidence);
    if (as === 'rerun' && happened === true && !repaired.happened) {
      // The next attempt would have a new key, so the receiver could not recognize the repeat.
      const message =
        `${named} happened, as ${lateOutcome?.replicaId ?? 'its replica'} has reported since, and ` +
        'would happen again; decide succeeded or skipped';
      return refused('conflict', message, 'as');
    }
    return this.#decide(log, repaired, false, decisionBy(evidence)?.output);
  }

  /** @param known the output, if it is known and the decision gives none */
  #decide(
    log: InstanceLog,
    about: { cellId: string; attempt: number; happened: boolean },
    isKept = false,
    known?: Json,
  ): Decided {
    const { agentId: by, as, reason, output } = this.#message;
    const found = as === 'succeeded' ? known : undefined;
    const happened = isKept ? (true as const) : undefined;
    const decision = { as, by, reason, output: asRead(output) ?? found, happened };
    proposeDecision(log, about, decision, this.requester);
    return { kind: 'decided', instanceId: this.#instanceId, seq: log.view.state.lastSeq, as };
  }

  /** Who decided the attempt that is named, if somebody did. */
  #decidedBefore({ view }: InstanceLog): string | undefined {
    const { cellId, attempt } = this.#message;
    const decision = view.state.cells.get(cellId)?.decision;
    if (decision?.attempt !== attempt) return undefined;
    const { as, by, seq } = decision;
    return `attempt ${attempt} of cell ${cellId} was decided already: ${as} by ${by} (row ${seq})`;
  }

  #nothingToDecide({ view }: InstanceLog): string {
    const status = statusOf(view, false);
    return `instance ${this.#instanceId} is neither in doubt nor halted, but ${status}`;
  }
}

/** The output as the log will return it: JSON reads -0, but never writes it. */
function asRead(output: Json | undefined): Json | undefined {
  return output === undefined ? undefined : (JSON.parse(JSON.stringify(output)) as Json);
}

function refused(code: ReplyError['code'], message: string, field?: string): Decided {
  return { kind: 'refused', error: { code, message, ...(field !== undefined && { field }) } };
}
