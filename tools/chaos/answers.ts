import type { Agent } from '../../src/agent/agent.ts';
import type { Verdict } from '../../src/execution/row.ts';
import type { ClientHistory } from './client-history.ts';
import type { WorkloadInstance } from './instances.ts';
import { ignoreProtocolError } from './protocol-error.ts';
import type { Random } from './random.ts';

/** Who answers, about which instance, and where the answer is kept. */
export interface Answering {
  agent: Agent;
  instance: WorkloadInstance;
  random: Random;
  history: ClientHistory;
}

const TIMEOUT_MS = 3_000;

const OF_DOUBTS: readonly { as: Verdict; weight: number }[] = [
  { as: 'succeeded', weight: 4 },
  { as: 'rerun', weight: 4 },
  { as: 'failed', weight: 1 },
  { as: 'skipped', weight: 1 },
];

const OF_FAILURES: readonly { as: Verdict; weight: number }[] = [
  { as: 'rerun', weight: 3 },
  { as: 'skipped', weight: 3 },
  { as: 'succeeded', weight: 1 },
];

/** Decides an instance's doubt, if it still has one. */
export async function decideDoubt(answering: Answering): Promise<void> {
  const { instance } = answering;
  const { doubt } = instance;
  if (doubt === undefined) return;
  await decide(answering, doubt, OF_DOUBTS);
  instance.doubt = undefined;
}

/** Decides the cell that halted an instance, if it still has to be decided. */
export async function decideHalt(answering: Answering): Promise<void> {
  const { instance } = answering;
  const { halt } = instance;
  if (halt === undefined) return;
  await decide(answering, halt, OF_FAILURES);
  instance.halt = undefined;
  instance.repaired = true;
}

/** Cancels an instance, with or without undo, with or without the children that it has. */
export async function cancel({ agent, instance, random, history }: Answering): Promise<void> {
  const undo = random.chance(0.6);
  const children = instance.children.length > 0 && random.chance(0.5);
  const cancelled = { reason: 'chaos cancels', undo, ...(children && { children }) };
  const reply = await agent
    .cancel(instance.instanceId, { ...cancelled, timeoutMs: TIMEOUT_MS })
    .catch(ignoreProtocolError);
  if (reply !== undefined) history.cancelled(instance.instanceId, { seq: reply.seq, undo });
}

async function decide(
  { agent, instance: { instanceId }, random, history }: Answering,
  { cellId, attempt }: { cellId: string; attempt: number },
  verdicts: readonly { as: Verdict; weight: number }[],
): Promise<void> {
  const { as } = random.weighted(verdicts);
  const output = as === 'succeeded' ? { output: { ok: true, cell: cellId } } : {};
  const decision = { cellId, attempt, as, reason: 'chaos decides', ...output };
  const reply = await agent
    .decide(instanceId, { ...decision, timeoutMs: TIMEOUT_MS })
    .catch(ignoreProtocolError);
  if (reply !== undefined) history.decided(instanceId, { seq: reply.seq, as: reply.as });
}
