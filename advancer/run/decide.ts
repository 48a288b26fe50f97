import { nextStep, type NextStep } from '../../src/execution/plan.ts';
import type { Json } from '../../src/json.ts';
import type { Verdict } from '../../src/execution/row.ts';
import type { DecideMessage, ReplyError } from '../../src/request/messages.ts';
import type { RunContext } from './context.ts';
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

/** A person's answer to a doubt. Only one answer counts; a second one gets `conflict`. */
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
    const { agentId, cellId, attempt, as, reason, output } = this.#message;
    if (step.do !== 'settle')
      return refused('conflict', `instance ${this.#instanceId} is not in doubt`);
    const evidence = await settleByEvidence(this.#context, log, step, this.requester);
    if (evidence.kind === 'settles')
      return refused('conflict', 'the doubt was settled by a late outcome from its holder');
    const { doubt } = step;
    if (doubt.cellId !== cellId || doubt.attempt !== attempt) {
      const actual = `attempt ${doubt.attempt} of cell ${doubt.cellId}`;
      return refused('conflict', `${actual} is in doubt, not the one named`);
    }
    if (doubt.reason === 'not_started' && as !== 'rerun')
      return refused('conflict', 'the effect never began, so the only possible decision is rerun');
    // Nobody can decide away that the effect happened, whether the log says so or late evidence.
    const isKept = as === 'failed' && evidence.kind === 'needs_person' && evidence.happened;
    const happened = isKept ? (true as const) : undefined;
    const decision = { as, by: agentId, reason, output: asRead(output), happened };
    proposeDecision(log, step, decision, this.requester);
    return { kind: 'decided', instanceId: this.#instanceId, seq: log.view.state.lastSeq, as };
  }
}

/** The output as the log will return it: JSON reads -0, but never writes it. */
function asRead(output: Json | undefined): Json | undefined {
  return output === undefined ? undefined : (JSON.parse(JSON.stringify(output)) as Json);
}

function refused(code: ReplyError['code'], message: string, field?: string): Decided {
  return { kind: 'refused', error: { code, message, ...(field !== undefined && { field }) } };
}
