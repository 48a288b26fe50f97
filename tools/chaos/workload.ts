import { setMaxListeners } from 'node:events';

import { Agent } from '../../src/agent/agent.ts';
import { LeaseholdError } from '../../src/agent/error.ts';
import type { Verdict } from '../../src/execution/row.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { Instances } from './instances.ts';
import type { SentRequest, WorkInstance } from './instances.ts';
import type { Random } from './random.ts';
import { chaosInputs, chaosRunbooks } from './runbooks.ts';
import type { ChaosRunbook } from './runbooks.ts';
import type { ToldLedger } from './told.ts';

/** What the workload needs. */
export interface WorkloadOptions {
  namespace: string;
  natsUrls: readonly string[];
  /** How many agents work at once. */
  agents: number;
  /** How many instances are under way at once. */
  instances: number;
  /** In front of every id, so that runs do not meet. */
  prefix: string;
  witnessUrl: string;
  ttlMs: number;
  random: Random;
  ledger: ToldLedger;
  /** Whether replicas have the handlers and commands of this package. */
  own: boolean;
}

const CONNECT_TIMEOUT_MS = 10_000;
const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);

/**
 * Agents at work: each takes any instance that is under way and does something sensible with it, or
 * something that agents should not do but will. What they are told is kept in the ledger.
 */
export class Workload {
  readonly instances = new Instances();
  readonly #options: WorkloadOptions;
  readonly #agents: Agent[];
  readonly #runbooks: readonly ChaosRunbook[];
  #working: Promise<void>[] = [];
  #stop = new AbortController();
  #names = 0;

  private constructor(options: WorkloadOptions, agents: Agent[]) {
    this.#options = options;
    this.#agents = agents;
    this.#runbooks = chaosRunbooks().filter(({ needsOwn }) => options.own || !needsOwn);
  }

  /** Connects the agents; they do nothing yet. */
  static async connect(options: WorkloadOptions): Promise<Workload> {
    const agents = await Promise.all(
      Array.from({ length: options.agents }, (_, index) =>
        Agent.connect({
          agentId: `${options.prefix}-agent${index + 1}`,
          namespace: options.namespace,
          servers: [...options.natsUrls],
          connectTimeoutMs: CONNECT_TIMEOUT_MS,
          waitOnFirstConnect: true,
        }),
      ),
    );
    return new Workload(options, agents);
  }

  /** A fresh id. */
  name(prefix: string): string {
    this.#names += 1;
    return `${this.#options.prefix}-${prefix}${this.#names}`;
  }

  /** An agent of the crew, for what others ask beside the workload. */
  get anyAgent(): Agent {
    const [agent] = this.#agents;
    if (agent === undefined) throw new Error('the workload has no agents');
    return agent;
  }

  begin(): void {
    this.#stop = new AbortController();
    setMaxListeners(0, this.#stop.signal);
    const { random } = this.#options;
    this.#working = this.#agents.map((agent) => this.#work(agent, random.fork()));
  }

  /**
   * Resolves when every agent has laid down its work; requests under way are given up, as unknown.
   */
  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#working);
  }

  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.close()));
  }

  /**
   * Makes an instance and starts it; undefined when nobody answered: then it may exist or not,
   * until it is asked again.
   */
  async start(
    agent: Agent,
    runbookId: string,
    random: Random,
    options: { live: boolean; longMs?: number },
  ): Promise<WorkInstance | undefined> {
    const runbook = this.#runbooks.find(({ document }) => document.runbook === runbookId);
    if (runbook === undefined) throw new Error(`there is no runbook ${runbookId}`);
    const instanceId = this.name(runbookId.replace('chaos-', ''));
    const claimId = `${instanceId}-claim`;
    const { witnessUrl, ttlMs } = this.#options;
    const longMs = options.longMs ?? random.int(100, Math.round(ttlMs * 1.5));
    const instance: WorkInstance = {
      instanceId,
      runbook,
      claimId,
      inputs: chaosInputs(witnessUrl, claimId, random.pick([0, 0, 5, 20, 60, 150]), longMs),
      started: false,
      sent: [],
      nextCellId: undefined,
      doubt: undefined,
      parked: false,
      ended: false,
      left: 0,
    };
    this.instances.add(instance);
    if (!(await this.startAgain(agent, instance))) return undefined;
    if (options.live) this.instances.live.push(instance);
    return instance;
  }

  /**
   * Starts an instance of which nobody knows whether it was; the same content twice changes
   * nothing.
   */
  async startAgain(agent: Agent, { instanceId, runbook, inputs }: WorkInstance): Promise<boolean> {
    const instance = this.instances.all.get(instanceId);
    const runbookId = runbook.document.runbook;
    const reply = await agent
      .start(instanceId, { runbookId, inputs, timeoutMs: 5_000 })
      .catch(tolerate);
    if (instance !== undefined && reply !== undefined) instance.started = true;
    return reply !== undefined;
  }

  /** One request, with what was told of it kept. Never throws. */
  async advance(
    agent: Agent,
    instance: WorkInstance,
    request: SentRequest,
    patience: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<Receipt> {
    const { ledger } = this.#options;
    ledger.ask(request.requestId);
    const receipt = await agent.advance(instance.instanceId, {
      ...request,
      timeoutMs: patience.timeoutMs,
      expiresInMs: patience.timeoutMs,
      pollMs: 1_000,
      askAgainMs: 3_000,
      signal: patience.signal ?? NEVER,
    });
    ledger.hear(request.requestId, receipt);
    this.instances.absorb(instance, receipt);
    return receipt;
  }

  async claim(agent: Agent, instance: WorkInstance, status: string): Promise<void> {
    await agent.claim(instance.claimId, { status, timeoutMs: 3_000 }).then(undefined, tolerate);
    if (status !== 'pending') instance.parked = false;
  }

  /** Settles the doubt of an instance, if it has one still. */
  async decide(agent: Agent, instance: WorkInstance, random: Random): Promise<void> {
    const { doubt, instanceId } = instance;
    if (doubt === undefined) return;
    const verdicts: { as: Verdict; weight: number }[] = [
      { as: 'succeeded', weight: 4 },
      { as: 'rerun', weight: 4 },
      { as: 'failed', weight: 1 },
      { as: 'skipped', weight: 1 },
    ];
    const { as } = random.weighted(verdicts);
    const { cellId, attempt } = doubt;
    const output = as === 'succeeded' ? { output: { ok: true, cell: cellId } } : {};
    const decision = { cellId, attempt, as, reason: 'chaos decides', ...output, timeoutMs: 3_000 };
    const reply = await agent.decide(instanceId, decision).catch(tolerate);
    if (reply !== undefined)
      this.#options.ledger.decided(instanceId, { seq: reply.seq, as: reply.as });
    instance.doubt = undefined;
  }

  async #work(agent: Agent, random: Random): Promise<void> {
    const stop = this.#stop.signal;
    while (!stop.aborted) {
      if (this.instances.live.length < this.#options.instances) {
        const { document } = random.weighted(this.#runbooks);
        await this.start(agent, document.runbook, random, { live: true });
      } else await this.#act(agent, random.pick(this.instances.live), random, stop);
      await sleep(random.int(20, 160), stop);
    }
  }

  async #act(
    agent: Agent,
    instance: WorkInstance,
    random: Random,
    stop: AbortSignal,
  ): Promise<void> {
    const patience = { timeoutMs: random.int(2_000, 10_000), signal: stop };
    if (instance.doubt !== undefined) {
      if (random.chance(0.12)) {
        const second = random.chance(0.25)
          ? this.decide(random.pick(this.#agents), { ...instance }, random)
          : undefined;
        await Promise.all([this.decide(agent, instance, random), second]);
        return;
      }
      instance.left += 1;
      // So that doubts do not come to be all that is under way.
      if (instance.left >= 6) this.instances.setAside(instance);
    }
    if (instance.parked && random.chance(0.7)) {
      await this.claim(agent, instance, random.pick(['pending', 'approved', 'approved', 'waived']));
      return;
    }
    const roll = random.next();
    if (roll < 0.68) {
      await this.advance(agent, instance, this.#fresh(instance, random), patience);
    } else if (roll < 0.78) {
      // Before, during or after the run that it began.
      const of =
        random.chance(0.3) && this.instances.recent.length > 0
          ? random.pick(this.instances.recent)
          : instance;
      const again = of.sent.length === 0 ? this.#fresh(of, random) : random.pick(of.sent);
      await this.advance(agent, of, again, patience);
    } else if (roll < 0.86) {
      const twice = this.#fresh(instance, random);
      const other = random.pick(this.#agents);
      await Promise.all([
        this.advance(agent, instance, twice, patience),
        this.advance(other, instance, twice, patience),
      ]);
    } else if (roll < 0.95) {
      const other = random.pick(this.#agents);
      await Promise.all([
        this.advance(agent, instance, this.#fresh(instance, random), patience),
        this.advance(other, instance, this.#fresh(instance, random), patience),
      ]);
    } else await agent.status(instance.instanceId, { timeoutMs: 3_000 }).catch(tolerate);
  }

  #fresh(instance: WorkInstance, random: Random): SentRequest {
    const request: SentRequest = { requestId: this.name('q') };
    if (random.chance(0.6)) request.maxCells = random.int(1, 2);
    if (random.chance(0.5)) request.wait = true;
    if (random.chance(0.2)) request.cellId = random.chance(0.1) ? 'nowhere' : instance.nextCellId;
    this.instances.keep(instance, request);
    return request;
  }
}

/** Errors of the protocol are answers; others are bugs. */
function tolerate(error: unknown): undefined {
  if (error instanceof LeaseholdError) return undefined;
  throw error;
}

/** Never rejects. */
export function sleep(ms: number, signal: AbortSignal = NEVER): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms));
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
