import type {
  CellOutcome,
  EffectContext,
  EffectRunner,
  ProbeAnswer,
  Unfit,
} from '../../advancer/cells/cells.ts';
import { lostOutput } from '../../src/runbook/lost-output.ts';
import { onInterrupt, type Effect, type ExecCell } from '../../src/runbook/runbook.ts';
import type { Network } from './network.ts';
import { UNSTORABLE } from './unstorable.ts';
import type { SimProcess, World } from './world.ts';

/** One effect as an outside witness saw it; the witness knows nothing of leases. */
export interface Witnessed {
  atMs: number;
  process: string;
  instanceId: string;
  cellId: string;
  attempt: number;
  fencingToken: number;
  idempotencyKey: string;
  /** Whether the receiver performed it; false if it refused. */
  happened: boolean;
  /** The outcome that the process which ran the effect learned, if it learned one. */
  reported?: 'completed' | 'failed' | 'unverified' | undefined;
}

/** Records every effect, including those of processes that were fenced long ago. */
export class Witness {
  readonly seen: Witnessed[] = [];
  /** By attempt: how what was run ended in truth, whatever anybody learned of it. */
  readonly endings = new Map<string, SimEnding>();
  /** Called with each effect as it begins. */
  onSeen: (effect: Witnessed) => void = () => undefined;

  /** How an attempt's effect ended; undefined if nobody tried to run it. */
  ending(of: AttemptName): SimEnding | undefined {
    return this.endings.get(nameOf(of));
  }

  happened(idempotencyKey: string): boolean {
    return this.seen.some((effect) => effect.happened && effect.idempotencyKey === idempotencyKey);
  }
}

/** Every handler that the runbooks of the simulation name. */
export const HANDLERS: readonly string[] = ['any', 'new', 'probe'];

/** What the effects of one process are made of. */
export interface SimEffectsOptions {
  process: SimProcess;
  network: Network;
  witness: Witness;
  longestMs: number;
  /** The handlers that the process has. */
  handlers: readonly string[];
  /** Changes how an effect is to end. */
  ending?: ((cell: ExecCell, planned: SimEnding) => SimEnding) | undefined;
}

/** What identifies an attempt. */
interface AttemptName {
  instanceId: string;
  cellId: string;
  attempt: number;
}

function nameOf({ instanceId, cellId, attempt }: AttemptName): string {
  return `${instanceId}/${cellId}/${attempt}`;
}

/** Effects of random length and outcome, run for one process. */
export function simEffects(options: SimEffectsOptions): EffectRunner {
  const { process, network, witness, longestMs, handlers } = options;
  const { world } = process;
  const unfitFor = (effect: Effect): Unfit | undefined => {
    const handler = 'handler' in effect ? effect.handler : undefined;
    if (handler === undefined || handlers.includes(handler)) return undefined;
    return { why: `no handler ${handler}`, handler };
  };
  return {
    unfitFor,
    run(cell, context, signals) {
      const ended = (ending: SimEnding): void => void witness.endings.set(nameOf(context), ending);
      const unfit = unfitFor(cell.exec);
      if (unfit !== undefined) {
        ended('wrongReplica');
        return Promise.resolve({ kind: 'wrong_replica', why: unfit.why, detail: {} });
      }
      const trap = network.sprungAt(process, 'effects', 'run');
      return new Promise<CellOutcome>((resolve) => {
        if (trap?.point === 'before') {
          ended('wrongReplica');
          // Such as a command for which the process has no file descriptor left.
          if (trap.act === 'lose') resolve({ kind: 'wrong_replica', why: 'EMFILE', detail: {} });
          else trap.spring();
          return;
        }
        const drawn = endingOf(world, cell);
        const planned = options.ending?.(cell, drawn) ?? drawn;
        // The receiver deduplicates: it does not refuse what it has done.
        const done = planned === 'refused' && witness.happened(context.idempotencyKey);
        const ending = done ? 'succeeded' : planned;
        ended(ending);
        const effect =
          ending === 'notBegun' || ending === 'wrongReplica'
            ? undefined
            : begin(process, world, witness, context, ending);
        world.note(
          `${process.name} runs ${context.instanceId}/${cell.id} attempt ${context.attempt}`,
        );
        const end = (outcome: CellOutcome): void => {
          timer.cancel();
          resolve(outcome);
        };
        const timer = process.deliver(world.random.between(1, longestMs), () => {
          const answerLost = trap?.point === 'applied' && trap.act === 'lose';
          const outcome: CellOutcome = answerLost
            ? { kind: 'unknown', reason: 'crash', detail: {} }
            : outcomeOf(world, ending, context);
          if (effect !== undefined) effect.reported = learned(outcome);
          end(outcome);
          if (trap?.point === 'answered') trap.spring();
        });
        if (trap?.point === 'applied') world.at(0, trap.spring);
        const aborted = (): void => end({ kind: 'unknown', reason: 'aborted', detail: {} });
        signals.abort.addEventListener('abort', aborted, { once: true });
        signals.notCancelled.onEnd(aborted);
        if (onInterrupt(cell) !== 'hold') signals.lease.onEnd(aborted);
      });
    },
    probe: (_effect, context) =>
      new Promise<ProbeAnswer>((resolve) => {
        const trap = network.sprungAt(process, 'effects', 'probe');
        // A probe changes nothing: struck before it or with its answer lost, it is as if it never
        // ran.
        if (trap !== undefined && trap.point !== 'answered') world.at(0, trap.spring);
        process.deliver(world.random.between(1, 50), () => {
          if (trap?.act === 'lose') resolve({ answer: 'unknown', why: 'the probe was lost' });
          else if (world.random.chance(0.1))
            resolve({ answer: 'unknown', why: 'the probe was unlucky' });
          else if (witness.happened(context.idempotencyKey))
            resolve({ answer: 'happened', output: 'probed' });
          else resolve({ answer: 'did_not_happen' });
          if (trap?.point === 'answered') trap.spring();
        });
      }),
  };
}

function begin(
  process: SimProcess,
  world: World,
  witness: Witness,
  context: EffectContext,
  ending: SimEnding,
): Witnessed {
  const { instanceId, cellId, attempt, fencingToken, idempotencyKey } = context;
  const effect: Witnessed = {
    atMs: world.nowMs,
    process: process.name,
    instanceId,
    cellId,
    attempt,
    fencingToken,
    idempotencyKey,
    happened: happens(world, ending),
  };
  witness.seen.push(effect);
  witness.onSeen(effect);
  return effect;
}

/** How an effect ends; which of them are possible depends on its cell. */
export type SimEnding =
  'succeeded' | 'unexpected' | 'unverified' | 'refused' | 'notBegun' | 'wrongReplica' | 'unknown';

function endingOf(world: World, cell: ExecCell): SimEnding {
  const { random } = world;
  if (cell.retry !== undefined && random.chance(0.5))
    return random.pick(['refused', 'refused', 'notBegun', 'unknown', 'unexpected']);
  if (random.chance(0.03)) return 'unknown';
  return cell.expect !== undefined && random.chance(0.1) ? 'unverified' : 'succeeded';
}

/** What a process knows of an effect that ended; undefined if it knows nothing. */
function learned({ kind }: CellOutcome): Witnessed['reported'] {
  return kind === 'completed' || kind === 'failed' || kind === 'unverified' ? kind : undefined;
}

/** Nobody who reads the log can tell whether an effect of unknown outcome happened. */
function happens(world: World, ending: SimEnding): boolean {
  if (ending === 'unknown') return world.random.chance(0.5);
  return ending === 'succeeded' || ending === 'unexpected' || ending === 'unverified';
}

function outcomeOf(world: World, ending: SimEnding, context: EffectContext): CellOutcome {
  const output = { attempt: context.attempt };
  const detail = {};
  const error = { message: 'unlucky' };
  switch (ending) {
    case 'unknown':
      return { kind: 'unknown', reason: 'crash', detail };
    case 'wrongReplica':
      return { kind: 'wrong_replica', why: 'EMFILE', detail };
    case 'unverified':
      return { kind: 'unverified', class: 'succeeded', output: lostOutput('gone', 9, ''), detail };
    case 'unexpected':
      return { kind: 'failed', class: 'succeeded', error, output, detail };
    case 'refused':
    case 'notBegun':
      return { kind: 'failed', class: ending, error, detail };
    case 'succeeded':
      // Now and then one that Postgres refuses.
      return { kind: 'completed', output: world.random.chance(0.01) ? UNSTORABLE : output, detail };
  }
}
