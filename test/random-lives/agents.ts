import type { Random } from '../../tools/chaos/random.ts';
import type { ReceiptReply } from '../harness/replies.ts';
import { judge, newestOf, type Question } from './judges.ts';
import type { CancelPlan, Life, LifeCell } from './life.ts';
import type { Receiver } from './receiver.ts';
import { claimOf } from './runbook-of.ts';
import { codeOf, isResult, pause, type Wire } from './wire.ts';

/** What the agents of all lives share. */
export interface AgentsOptions {
  wire: Wire;
  receiver: Receiver;
  random: Random;
  /** What every instance is started with. */
  inputsOf: (instanceId: string) => object;
  runbookIdOf: (life: Life) => string;
  /** A deadline is due at this time: the holder may be frozen around it. */
  onDeadline: (holder: string | undefined, dueAtMs: number) => void;
  /** An instance that takes longer is stuck. */
  patienceMs: number;
}

/** When a cancel that waits for a command's effect is sent: the receiver does not hear of those. */
const MOMENT_MS = 1_500;
const ENDS = ['completed', 'cancelled'];
/** Newest rows that leave something to decide. */
const OPEN_QUESTIONS = ['interrupted', 'failed', 'refuted', 'decided'];

/**
 * Agents that carry instances from their start to their end: they advance them, make claims near
 * their deadlines, answer doubts and halted cells, two at a time, and cancel them at the planned
 * moments. They use nothing but messages.
 */
export class Agents {
  readonly #options: AgentsOptions;

  constructor(options: AgentsOptions) {
    this.#options = options;
  }

  /** From the start to the end. */
  async live(life: Life): Promise<void> {
    const { wire, inputsOf, runbookIdOf, random, receiver, patienceMs } = this.#options;
    const { instanceId } = life;
    const untilMs = performance.now() + patienceMs;
    receiver.admit(life);
    await wire.start(instanceId, runbookIdOf(life), inputsOf(instanceId), untilMs);
    const ended = new AbortController();
    const cancels = life.cancels.map((plan, nth) =>
      this.#cancel(life, `canceller-${nth}`, plan, ended.signal),
    );
    const drives = Array.from({ length: life.agents }, () =>
      this.drive(life, random.fork(), untilMs),
    );
    await Promise.all(drives);
    ended.abort();
    await Promise.all(cancels);
    // A cancel may have begun to undo what had just been completed as far as the agent knew.
    await this.drive(life, random.fork(), untilMs);
  }

  /** Advances an instance until it has ended, or time is up. @returns whether it has ended */
  async drive(life: Life, random: Random, untilMs: number): Promise<boolean> {
    const { wire } = this.#options;
    const { instanceId } = life;
    let requestId = wire.newRequestId(instanceId);
    while (performance.now() < untilMs) {
      const receipt = await wire.advance(instanceId, requestId, limitsOf(random));
      const outcome = receipt?.outcome ?? '';
      if (ENDS.includes(outcome)) return true;
      if (['advanced', 'parked', 'halted', 'in_doubt'].includes(outcome))
        requestId = wire.newRequestId(instanceId);
      if (receipt !== undefined && outcome === 'parked') await this.#unpark(life, receipt, random);
      else if (outcome === 'in_doubt' || outcome === 'halted') await this.#settle(life, random);
      else if (outcome !== 'advanced') await pause(outcome === '' ? 200 : 60);
    }
    return false;
  }

  /** Waits for what it is parked for, and makes the claim at its planned moment. */
  async #unpark(life: Life, receipt: ReceiptReply, random: Random): Promise<void> {
    const { wire, onDeadline } = this.#options;
    const { awaiting, waiting, holder } = receipt;
    const { instanceId } = life;
    if (waiting !== undefined) {
      await pause(Date.parse(waiting.until) - Date.now() + random.int(-5, 5));
      return;
    }
    if (awaiting === undefined) {
      // It has children.
      await pause(200);
      return;
    }
    const cell = life.cells.find(({ id }) => id === awaiting.cellId);
    const claimId = claimOf(instanceId, awaiting.cellId);
    if (cell?.type !== 'deadline' || awaiting.until === undefined) {
      await wire.claim(instanceId, claimId, 'yes');
      return;
    }
    const dueAtMs = Date.parse(awaiting.until);
    onDeadline(holder?.replicaId, dueAtMs);
    const claims = this.#claimNear(instanceId, cell, dueAtMs);
    // The requests of that moment decide which of the two it is.
    await pause(dueAtMs - Date.now() + random.int(-15, 10));
    const asked = [1, 2].map(() =>
      wire.advance(instanceId, wire.newRequestId(instanceId), { maxCells: 1 }),
    );
    await Promise.all([claims, ...asked]);
  }

  async #claimNear(instanceId: string, cell: LifeCell, dueAtMs: number): Promise<void> {
    if (cell.type !== 'deadline' || cell.claim === 'never') return;
    await pause(dueAtMs + cell.claim.afterDueMs - Date.now());
    await this.#options.wire.claim(instanceId, claimOf(instanceId, cell.id), 'yes');
  }

  /** Answers the newest cell's doubt or failure, often by two agents at once. */
  async #settle(life: Life, random: Random): Promise<void> {
    const { wire, receiver } = this.#options;
    const { instanceId } = life;
    const status = await wire.status(instanceId, { log: true });
    const newest = status === undefined ? undefined : newestOf(status.log ?? []);
    if (newest === undefined || !OPEN_QUESTIONS.includes(newest.kind)) return;
    const question: Question = { ...newest, happened: receiver.happened(newest.key ?? '') };
    const judges = random.chance(0.6) ? ['judge-a', 'judge-b'] : ['judge-a'];
    const patient = wire.toldOf(instanceId).filter(({ verb }) => verb === 'decide').length < 8;
    await Promise.all(
      judges.map((agentId) => {
        const decision = judge(question, random, patient, agentId);
        return wire.decide(instanceId, agentId, decision);
      }),
    );
  }

  /** Cancels it at the planned moment, and repeats that until the answer is definite. */
  async #cancel(life: Life, agentId: string, plan: CancelPlan, ended: AbortSignal): Promise<void> {
    const { wire, receiver, patienceMs } = this.#options;
    const { instanceId } = life;
    const untilMs = performance.now() + patienceMs;
    if (plan.after !== 'start') {
      const { cellId, arrival } = plan.after;
      const cell = life.cells.find(({ id }) => id === cellId);
      const isHeard = cell?.type === 'effect' && cell.effect.by === 'http';
      const unheard = isHeard ? [] : [AbortSignal.timeout(MOMENT_MS)];
      const moment = AbortSignal.any([ended, ...unheard]);
      await receiver.arrived(`${instanceId}/${cellId}`, arrival, moment);
    }
    await pause(plan.ms);
    while (performance.now() < untilMs) {
      const { undo, children = false } = plan;
      const more = { ...(undo && { undo }), ...(children && { children }) };
      const body = { reason: 'planned', ...more };
      const reply = await wire.cancel(instanceId, agentId, body);
      if (isResult(reply)) return;
      if (codeOf(reply) === 'conflict') {
        const status = await wire.status(instanceId);
        if (status !== undefined && ENDS.includes(status.status)) return;
        if (plan.undo && status?.unwinding !== undefined) return;
        // It is in doubt, which keeps it from being undone until that is decided.
      }
      await pause(100);
    }
  }
}

function limitsOf(random: Random): object {
  return {
    ...(random.chance(0.3) && { maxCells: random.int(1, 3) }),
    ...(random.chance(0.2) && { wait: true }),
  };
}
