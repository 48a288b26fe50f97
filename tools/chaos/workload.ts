import { setMaxListeners } from 'node:events';

import { Agent } from '../../src/agent/agent.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { cancel, decideDoubt, decideHalt } from './answers.ts';
import type { ClientHistory } from './client-history.ts';
import { Families } from './families.ts';
import { Instances, newInstance, UNATTENDED } from './instances.ts';
import type { SentRequest, WorkloadInstance } from './instances.ts';
import { ignoreProtocolError } from './protocol-error.ts';
import type { Random } from './random.ts';
import type { ChaosRunbook } from './runbook-parts.ts';
import { chaosInputs, chaosRunbooks } from './runbooks.ts';
import { NEVER, sleep } from './sleep.ts';

/** What a workload works with. */
export interface WorkloadOptions {
  namespace: string;
  nats: Partial<Parameters<typeof Agent.connect>[0]>;
  /** How many agents work at once. */
  agents: number;
  /** How many instances are under way at once. */
  instances: number;
  /** Starts every id, so that runs do not share any. */
  prefix: string;
  witnessUrl: string;
  ttlMs: number;
  random: Random;
  history: ClientHistory;
  /** Whether the replicas have the workload's handlers and commands. */
  own: boolean;
}

/** How long a request may take. */
export interface RequestLimits {
  timeoutMs: number;
  /** Gives up the request, whose outcome is then unknown. */
  signal?: AbortSignal;
}

/** How an instance is started. */
export interface StartOptions {
  /** Whether the workload's agents work on it. */
  live: boolean;
  /** How long its long effects take; default: random, up to one and a half lease TTLs. */
  longMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** How often an agent cancels the instance that it has picked. */
const CANCELLED = 0.02;

/**
 * The agents of a run. Each repeatedly picks an instance that is under way and does something
 * sensible with it, or something that agents should not do but will. Requests and answers are kept
 * in the client history.
 */
export class Workload {
  readonly instances = new Instances();
  readonly families = new Families(this.instances, (runbookId) => this.#runbook(runbookId));
  readonly #options: WorkloadOptions;
  readonly #agents: Agent[];
  readonly #runbooks: readonly ChaosRunbook[];
  /** Those of which every run has at least one instance. */
  readonly #unseen: ChaosRunbook[];
  #working: Promise<void>[] = [];
  #stop = new AbortController();
  #ids = 0;

  private constructor(options: WorkloadOptions, agents: Agent[]) {
    this.#options = options;
    this.#agents = agents;
    this.#runbooks = chaosRunbooks().filter(({ needsOwn }) => options.own || !needsOwn);
    this.#unseen = this.#runbooks.filter(({ weight }) => weight > 0);
  }

  /** Connects the agents, which do nothing yet. */
  static async connect(options: WorkloadOptions): Promise<Workload> {
    const agents = await Promise.all(
      Array.from({ length: options.agents }, (_, index) =>
        Agent.connect({
          agentId: `${options.prefix}-agent${index + 1}`,
          namespace: options.namespace,
          ...options.nats,
          connectTimeoutMs: CONNECT_TIMEOUT_MS,
          waitOnFirstConnect: true,
        }),
      ),
    );
    return new Workload(options, agents);
  }

  /** A new id. */
  newId(prefix: string): string {
    this.#ids += 1;
    return `${this.#options.prefix}-${prefix}${this.#ids}`;
  }

  /** One of the agents, for requests other than the workload's. */
  get anyAgent(): Agent {
    const [agent] = this.#agents;
    if (agent === undefined) throw new Error('the workload has no agents');
    return agent;
  }

  /** Sets the agents to work. */
  begin(): void {
    this.#stop = new AbortController();
    setMaxListeners(0, this.#stop.signal);
    const { random } = this.#options;
    this.#working = this.#agents.map((agent) => this.#work(agent, random.fork()));
  }

  /** Resolves when every agent has stopped. Requests under way are given up, as unknown. */
  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#working);
  }

  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.close()));
  }

  /**
   * Starts a new instance. Returns undefined if there was no answer: whether the instance exists is
   * then unknown until the request is repeated.
   */
  async start(
    agent: Agent,
    runbookId: string,
    random: Random,
    options: StartOptions,
  ): Promise<WorkloadInstance | undefined> {
    const runbook = this.#runbook(runbookId);
    const instanceId = this.newId(runbookId.replace('chaos-', ''));
    const { witnessUrl, ttlMs } = this.#options;
    const longMs = options.longMs ?? random.int(100, Math.round(ttlMs * 1.5));
    const ms = random.pick([0, 0, 5, 20, 60, 150]);
    const inputs = chaosInputs(witnessUrl, `${instanceId}-claim`, ms, longMs);
    const unattended = random.chance(UNATTENDED);
    const instance = newInstance(instanceId, runbook, { inputs, unattended });
    this.instances.add(instance);
    if (!(await this.repeatStart(agent, instance))) return undefined;
    if (options.live) this.instances.live.push(instance);
    return instance;
  }

  /**
   * Starts an instance of which it is unknown whether it exists. Repeating the same content changes
   * nothing. @returns whether there was an answer
   */
  async repeatStart(
    agent: Agent,
    { instanceId, runbook, inputs, unattended }: WorkloadInstance,
  ): Promise<boolean> {
    const instance = this.instances.all.get(instanceId);
    const runbookId = runbook.document.runbook;
    const reply = await this.#timed('start', () =>
      agent.start(instanceId, { runbookId, inputs, unattended, timeoutMs: 5_000 }),
    );
    if (instance !== undefined && reply !== undefined) instance.started = true;
    return reply !== undefined;
  }

  /** Sends one request, and records it and its answer. Never throws. */
  async advance(
    agent: Agent,
    instance: WorkloadInstance,
    request: SentRequest,
    limits: RequestLimits,
  ): Promise<Receipt> {
    const { history } = this.#options;
    const sentMs = performance.now();
    history.invoke(request.requestId);
    const receipt = await agent.advance(instance.instanceId, {
      ...request,
      timeoutMs: limits.timeoutMs,
      expiresInMs: limits.timeoutMs,
      pollMs: 1_000,
      askAgainMs: 3_000,
      signal: limits.signal ?? NEVER,
    });
    history.complete(request.requestId, receipt);
    if (receipt.outcome !== 'unavailable' && request.wait !== true)
      history.answeredIn('advance', performance.now() - sentMs);
    this.instances.apply(instance, receipt);
    if (receipt.outcome === 'parked' && receipt.children !== undefined)
      await this.families.meet(agent, instance, receipt.children.cellId);
    return receipt;
  }

  #runbook(runbookId: string): ChaosRunbook {
    const found = this.#runbooks.find(({ document }) => document.runbook === runbookId);
    if (found === undefined) throw new Error(`there is no runbook ${runbookId}`);
    return found;
  }

  async claim(agent: Agent, instance: WorkloadInstance, status: string): Promise<void> {
    await agent
      .claim(instance.claimId, { status, timeoutMs: 3_000 })
      .then(undefined, ignoreProtocolError);
    if (status !== 'pending') instance.parked = false;
  }

  /** Decides an instance's doubt, or the cell that halted it, if there still is one. */
  async answer(agent: Agent, instance: WorkloadInstance, random: Random): Promise<void> {
    const answering = { agent, instance, random, history: this.#options.history };
    await (instance.doubt === undefined ? decideHalt(answering) : decideDoubt(answering));
  }

  async #work(agent: Agent, random: Random): Promise<void> {
    const stop = this.#stop.signal;
    while (!stop.aborted) {
      if (this.instances.live.length < this.#options.instances) {
        const { document } = this.#unseen.pop() ?? random.weighted(this.#runbooks);
        await this.start(agent, document.runbook, random, { live: true });
      } else await this.#act(agent, random.pick(this.instances.live), random, stop);
      await sleep(random.int(20, 160), stop);
    }
  }

  async #act(
    agent: Agent,
    instance: WorkloadInstance,
    random: Random,
    stop: AbortSignal,
  ): Promise<void> {
    const limits = { timeoutMs: random.int(2_000, 10_000), signal: stop };
    if (random.chance(CANCELLED)) {
      const { history } = this.#options;
      await cancel({ agent, instance, random, history });
      return;
    }
    if (instance.doubt !== undefined || instance.halt !== undefined) {
      if (random.chance(0.12)) {
        const second = random.chance(0.25)
          ? this.answer(random.pick(this.#agents), { ...instance }, random)
          : undefined;
        await Promise.all([this.answer(agent, instance, random), second]);
        return;
      }
      instance.leftInDoubt += 1;
      // Otherwise instances in doubt would in time be all that is under way.
      if (instance.leftInDoubt >= 6) this.instances.setAside(instance);
    }
    if (instance.parked && random.chance(0.7)) {
      await this.claim(agent, instance, random.pick(['pending', 'approved', 'approved', 'waived']));
      return;
    }
    const draw = random.next();
    if (draw < 0.68) {
      const request = this.#newRequest(instance, random);
      const { outcome } = await this.advance(agent, instance, request, limits);
      // It has been repaired before: that it is halted is how it ends.
      if (outcome === 'halted' && instance.repaired) this.instances.setAside(instance);
    } else if (draw < 0.78) {
      // Repeats a request: its first run may not have begun, be going on, or be over.
      const repeated =
        random.chance(0.3) && this.instances.recentlyEnded.length > 0
          ? random.pick(this.instances.recentlyEnded)
          : instance;
      const { sent } = repeated;
      const again = sent.length === 0 ? this.#newRequest(repeated, random) : random.pick(sent);
      await this.advance(agent, repeated, again, limits);
    } else if (draw < 0.86) {
      const same = this.#newRequest(instance, random);
      const other = random.pick(this.#agents);
      await Promise.all([
        this.advance(agent, instance, same, limits),
        this.advance(other, instance, same, limits),
      ]);
    } else if (draw < 0.95) {
      const other = random.pick(this.#agents);
      await Promise.all([
        this.advance(agent, instance, this.#newRequest(instance, random), limits),
        this.advance(other, instance, this.#newRequest(instance, random), limits),
      ]);
    } else
      await this.#timed('status', () => agent.status(instance.instanceId, { timeoutMs: 3_000 }));
  }

  /** Makes a request and records how long its answer took; undefined if there was none. */
  async #timed<T>(verb: string, request: () => Promise<T>): Promise<T | undefined> {
    const sentMs = performance.now();
    const reply = await request().catch(ignoreProtocolError);
    if (reply !== undefined) this.#options.history.answeredIn(verb, performance.now() - sentMs);
    return reply;
  }

  #newRequest(instance: WorkloadInstance, random: Random): SentRequest {
    const request: SentRequest = { requestId: this.newId('q') };
    if (random.chance(0.6)) request.maxCells = random.int(1, 2);
    if (random.chance(0.5)) request.wait = true;
    if (random.chance(0.2)) request.cellId = random.chance(0.1) ? 'nowhere' : instance.nextCellId;
    this.instances.keep(instance, request);
    return request;
  }
}
