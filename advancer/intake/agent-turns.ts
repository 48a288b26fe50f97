import { TransientMap, TransientSet } from '../../src/transient-map.ts';

/** How {@link AgentTurns} shares a replica between agents. */
export interface AgentTurnsOptions {
  /** How many works of one agent may be under way. */
  perAgent: number;
  /** How many bytes of messages may be under way; a single message may have more. */
  bytesAtOnce: number;
  /**
   * Set if a work begins with a computation that takes a noticeable time: calls back once what has
   * arrived meanwhile is dealt with, so that one such work after the other does not stop everything
   * else.
   */
  defer?: ((goOn: () => void) => void) | undefined;
}

interface Work {
  bytes: number;
  run: () => Promise<void>;
}

/** The works of one agent. */
interface Agent {
  readonly agentId: string;
  underWay: number;
  /** In order of arrival. */
  readonly waiting: Work[];
}

/**
 * Lets agents take turns, one work each, so that an agent that floods delays the others by one of
 * its works and not by all of them.
 */
export class AgentTurns {
  readonly #options: AgentTurnsOptions;
  /** Every agent with work. */
  readonly #agents = new TransientMap<string, Agent>();
  /** Those whose next work may start as far as its agent is concerned, in turn. */
  readonly #ready = new TransientSet<Agent>();
  #bytesUnderWay = 0;
  #waiting = 0;
  #deferred = false;

  constructor(options: AgentTurnsOptions) {
    this.#options = options;
  }

  /** How many works wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs a work of an agent when its turn comes, which may be now. `run` never rejects. */
  add(agentId: string, bytes: number, run: () => Promise<void>): void {
    let agent = this.#agents.get(agentId);
    if (agent === undefined)
      this.#agents.set(agentId, (agent = { agentId, underWay: 0, waiting: [] }));
    agent.waiting.push({ bytes, run });
    this.#waiting += 1;
    this.#takeItsPlace(agent);
    this.#goOn();
  }

  /** Starts what may start. Nobody passes the first in turn, which could then wait forever. */
  #goOn(): void {
    while (!this.#deferred) {
      const [agent] = this.#ready;
      const work = agent?.waiting[0];
      if (agent === undefined || work === undefined) return;
      const full = this.#bytesUnderWay + work.bytes > this.#options.bytesAtOnce;
      if (full && this.#bytesUnderWay > 0) return;
      this.#ready.delete(agent);
      agent.waiting.shift();
      agent.underWay += 1;
      this.#waiting -= 1;
      this.#bytesUnderWay += work.bytes;
      this.#takeItsPlace(agent);
      this.#pause();
      void work.run().finally(() => this.#ended(agent, work));
    }
  }

  #pause(): void {
    const { defer } = this.#options;
    if (defer === undefined) return;
    this.#deferred = true;
    defer(() => {
      this.#deferred = false;
      this.#goOn();
    });
  }

  #ended(agent: Agent, { bytes }: Work): void {
    agent.underWay -= 1;
    this.#bytesUnderWay -= bytes;
    if (agent.underWay === 0 && agent.waiting.length === 0) this.#agents.delete(agent.agentId);
    this.#takeItsPlace(agent);
    this.#goOn();
  }

  /** Behind the others, unless it has its place already. */
  #takeItsPlace(agent: Agent): void {
    if (agent.waiting.length > 0 && agent.underWay < this.#options.perAgent) this.#ready.add(agent);
  }
}
