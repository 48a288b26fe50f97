import type { TestCluster } from '../harness/replicas.ts';
import type { ReceiptReply, StatusReply } from '../harness/replies.ts';

/** What an agent asked, and what it was answered; nothing if nobody answered in time. */
export interface Exchange {
  verb: 'start' | 'advance' | 'decide' | 'cancel' | 'claim';
  instanceId: string;
  agentId: string;
  body: Record<string, unknown>;
  reply: Record<string, unknown> | undefined;
  /** Wall clock of this machine. */
  sentAtMs: number;
  answeredAtMs: number;
}

/** The code of the error that a reply is. */
export function codeOf(reply: Exchange['reply']): string | undefined {
  return (reply?.['error'] as { code?: string } | undefined)?.code;
}

/** Whether a reply is a result. */
export function isResult(reply: Exchange['reply']): boolean {
  return reply !== undefined && reply['error'] === undefined;
}

const REQUEST_MS = 6_000;

/** Plain messages over NATS, without any code of the product; it keeps what it was told. */
export class Wire {
  readonly #cluster: TestCluster;
  readonly #told = new Map<string, Exchange[]>();
  #requests = 0;

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  /** What agents were told about an instance, by the time at which they asked. */
  toldOf(instanceId: string): readonly Exchange[] {
    return this.#told.get(instanceId) ?? [];
  }

  newRequestId(instanceId: string): string {
    this.#requests += 1;
    return `${instanceId}-q${this.#requests}`;
  }

  /** Starts an instance, however often that takes. */
  async start(
    instanceId: string,
    runbookId: string,
    inputs: object,
    untilMs: number,
  ): Promise<void> {
    while (performance.now() < untilMs) {
      const body = { instanceId, runbookId, inputs };
      const reply = await this.#say('start', instanceId, 'starter', body);
      if (isResult(reply)) return;
      const code = codeOf(reply);
      if (code !== undefined && code !== 'unavailable')
        throw new Error(`start of ${instanceId}: ${JSON.stringify(reply)}`);
      await pause(100);
    }
    throw new Error(`${instanceId} could not be started`);
  }

  /** One request for an advance. */
  async advance(
    instanceId: string,
    requestId: string,
    more: object = {},
  ): Promise<ReceiptReply | undefined> {
    const reply = await this.#say('advance', instanceId, 'agent', { requestId, ...more });
    return reply as ReceiptReply | undefined;
  }

  decide(instanceId: string, agentId: string, decision: object): Promise<Exchange['reply']> {
    return this.#say('decide', instanceId, agentId, { ...decision });
  }

  cancel(instanceId: string, agentId: string, cancel: object): Promise<Exchange['reply']> {
    return this.#say('cancel', instanceId, agentId, { ...cancel });
  }

  /** Makes a claim for an instance, however often that takes. */
  async claim(instanceId: string, claimId: string, status: string): Promise<void> {
    for (let tries = 0; tries < 20; tries += 1) {
      const reply = await this.#say('claim', instanceId, 'witness', { status }, claimId);
      if (isResult(reply)) return;
      await pause(50);
    }
  }

  /** The status of an instance; undefined if nobody answers. */
  async status(instanceId: string, more: object = {}): Promise<StatusReply | undefined> {
    for (let tries = 0; tries < 5; tries += 1) {
      const reply = await this.#send(['status', instanceId], more);
      if (isResult(reply)) return reply as unknown as StatusReply;
    }
    return undefined;
  }

  async #say(
    verb: Exchange['verb'],
    instanceId: string,
    agentId: string,
    body: Record<string, unknown>,
    about = instanceId,
  ): Promise<Exchange['reply']> {
    const told: Exchange = {
      verb,
      instanceId,
      agentId,
      body: verb === 'claim' ? { ...body, claimId: about } : body,
      reply: undefined,
      sentAtMs: Date.now(),
      answeredAtMs: Infinity,
    };
    const all = this.#told.get(instanceId);
    if (all === undefined) this.#told.set(instanceId, [told]);
    else all.push(told);
    const parts: [string, ...string[]] = verb === 'start' ? [verb] : [verb, about];
    told.reply = await this.#send(parts, { agentId, ...body });
    told.answeredAtMs = Date.now();
    return told.reply;
  }

  async #send(parts: [string, ...string[]], body: object): Promise<Exchange['reply']> {
    try {
      const subject = this.#cluster.subject(...parts);
      const message = await this.#cluster.nats.request(subject, JSON.stringify(body), {
        timeout: REQUEST_MS,
      });
      return message.json<Record<string, unknown>>();
    } catch {
      return undefined;
    }
  }
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
