import { Agent } from '../../../../src/agent/agent.ts';
import type { Bus, BusReply } from '../../../../src/bus/bus.ts';
import type { Json } from '../../../../src/json.ts';

export type Answer = BusReply | Promise<BusReply>;

/** A bus on which the test answers the requests. */
export class FakeBus implements Bus {
  up = true;
  readonly sent: { verb: string; subject: string; body: Json; timeoutMs: number }[] = [];
  readonly #answer: (verb: string, nth: number) => Answer;

  constructor(answer: (verb: string, nth: number) => Answer) {
    this.#answer = answer;
  }

  async request(subject: string, body: Json, timeoutMs: number): Promise<BusReply> {
    const verb = subject.split('.')[2] ?? '';
    this.sent.push({ verb, subject, body, timeoutMs });
    return this.#answer(verb, this.count(verb));
  }

  store(subject: string, body: Json, timeoutMs: number): Promise<BusReply> {
    return this.request(subject, body, timeoutMs);
  }

  count(verb: string): number {
    return this.sent.filter((one) => one.verb === verb).length;
  }

  connected(): boolean {
    return this.up;
  }

  maxBytes(): number {
    return 1024 * 1024;
  }

  publish(): void {}
  subscribe() {
    return { unsubscribe: () => {} };
  }
  async flush(): Promise<void> {}
  async close(): Promise<void> {
    this.up = false;
  }
}

export const never = new Promise<BusReply>(() => {});
export const receipt = {
  requestId: 'q',
  instanceId: 'i',
  outcome: 'completed',
  steps: [],
  nextCellId: null,
  holder: null,
} satisfies Json;
export const status = (more: { [key: string]: Json } = {}): BusReply => ({
  kind: 'reply',
  body: {
    instanceId: 'i',
    runbookId: 'r',
    version: 1,
    status: 'ready',
    nextCellId: 'c',
    holder: null,
    lastSeq: 0,
    cells: [],
    ...more,
  },
});
export const options = { requestId: 'q', pollMs: 20, askAgainMs: 10_000 };

export const agentOn = (bus: Bus) => new Agent(bus, { agentId: 'tester' });
