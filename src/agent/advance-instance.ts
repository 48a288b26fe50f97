import { randomUUID } from 'node:crypto';

import type { Bus } from '../bus/bus.ts';
import type { Subjects } from '../bus/subjects.ts';
import type { HolderCache } from '../request/holder-cache.ts';
import { AdvanceMessage } from '../request/messages.ts';
import type { Receipt } from '../request/receipt.ts';
import type { Clock } from '../time/clock.ts';
import { advanceUntilAnswered } from './advance.ts';
import { checkId, checked } from './checked.ts';
import { LeaseholdError } from './error.ts';
import { expiryOf } from './expiry.ts';
import type { AdvanceOptions } from './options.ts';
import { refusal } from './receipt-of-reply.ts';

const DEFAULT_TIMEOUT_MS = 300_000;

/** What an agent sends with. */
export interface AgentMeans {
  agentId: string;
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  /** Ends what it waits for. */
  signal: AbortSignal;
}

/** See `Agent.advance`. */
export async function advanceInstance(
  means: AgentMeans & { holders: HolderCache },
  instanceId: string,
  options: AdvanceOptions,
): Promise<Receipt> {
  const { agentId, ...sending } = means;
  const { requestId = randomUUID(), cellId, maxCells, wait } = options;
  try {
    const expiresAt = expiryOf(options, means.clock.wallMs());
    checkId(instanceId, 'instanceId');
    const body = { requestId, agentId, cellId, maxCells, wait, expiresAt };
    return await advanceUntilAnswered({
      ...sending,
      instanceId,
      message: { ...checked(AdvanceMessage, body), expiresAt },
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      pollMs: options.pollMs ?? 3_000,
      askAgainMs: options.askAgainMs ?? 10_000,
    });
  } catch (cause) {
    if (!(cause instanceof LeaseholdError)) throw cause;
    return refusal(requestId, instanceId, 'invalid', cause.toJSON().error);
  }
}
