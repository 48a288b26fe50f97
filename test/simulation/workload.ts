import type { Bus, BusReply } from '../../src/bus/bus.ts';
import { isNotHolder } from '../../src/bus/not-holder.ts';
import type { Json } from '../../src/json.ts';
import { HolderCache } from '../../src/request/holder-cache.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Cluster } from './cluster.ts';
import { breakSomething } from './faults.ts';
import { Persons } from './persons.ts';
import { PART, RUNBOOKS } from './runbooks.ts';
import { HANDLERS } from './sim-effects.ts';
import type { Planned } from './schedule.ts';
import { EPOCH_MS, SimProcess } from './world.ts';

/** One request as its agent saw it: the receipt that it got, or that it got none. */
export interface ClientRequest {
  requestId: string;
  instanceId: string;
  receipt: Receipt | undefined;
}

/** Agents that publish requests, persons who decide, and faults, all from one seed. */
export class Workload {
  /** Every request of the agents, with what they learned. */
  readonly clientHistory: ClientRequest[] = [];
  readonly persons: Persons;
  readonly instances: string[];
  /** Instances that nobody advances. */
  readonly unattended = ['u1', 'u2'];
  readonly #cluster: Cluster;
  readonly #agent: SimProcess;
  readonly #bus: Bus;
  readonly #holders = new HolderCache();
  #requests = 0;

  constructor(cluster: Cluster, instances: number) {
    this.#cluster = cluster;
    this.#agent = new SimProcess(cluster.world, 'agent');
    this.#bus = cluster.nats.bus(this.#agent);
    this.instances = Array.from({ length: instances }, (_, index) => `i${index + 1}`);
    this.persons = new Persons(cluster, this.#agent, this.#bus);
    for (const runbook of [...RUNBOOKS, PART])
      cluster.postgres.runbooks.set(runbook.runbook, runbook);
    const recordedAt = new Date(EPOCH_MS).toISOString();
    this.instances.forEach((instanceId, index) => {
      const { runbook: runbookId, version } = RUNBOOKS[index % RUNBOOKS.length]!;
      const inputs = { name: instanceId };
      const instance = { instanceId, runbookId, version, inputs, agentId: 'agent', recordedAt };
      cluster.postgres.addInstance(instance);
    });
    this.unattended.forEach((instanceId, index) => this.#startUnattended(instanceId, index));
  }

  /**
   * Starts an instance that nobody advances, and perhaps makes the claims that it waits for, with
   * no replica's help: like any client of the database.
   */
  #startUnattended(instanceId: string, index: number): void {
    const { world, postgres } = this.#cluster;
    const { runbook: runbookId, version } = RUNBOOKS[index % RUNBOOKS.length]!;
    world.at(world.random.between(0, 8_000), () => {
      const inputs = { name: instanceId };
      const instance = { instanceId, runbookId, version, inputs, agentId: 'agent' };
      postgres.addInstance({ ...instance, unattended: true, recordedAt: postgres.now() });
    });
    for (const claim of ['late', 'must']) {
      if (!world.random.chance(0.5)) continue;
      const claimId = `${claim}-${instanceId}`;
      world.at(world.random.between(0, 16_000), () => this.#claim(claimId));
    }
  }

  /** Puts a schedule's events on the world's clock. */
  layOut(schedule: readonly Planned[]): void {
    for (const planned of schedule)
      this.#cluster.world.at(planned.atMs, () => this.#happen(planned));
  }

  #happen(planned: Planned): void {
    switch (planned.do) {
      case 'request':
        void this.#request(this.#target(planned.instance, planned.ofChild), planned);
        return;
      case 'decide':
        void this.persons.decide(this.#instance(planned.instance));
        return;
      case 'cancel':
        void this.persons.cancel(this.#instance(planned.instance), planned.undo);
        return;
      case 'open_gate':
        this.openGate();
        return;
      case 'break':
        breakSomething(this.#cluster, planned);
    }
  }

  #instance(index: number): string {
    return this.instances[index % this.instances.length] ?? '';
  }

  /** The instance, or one of those that it started, if there are any. */
  #target(index: number, ofChild: boolean): string {
    const instanceId = this.#instance(index);
    const children = ofChild ? this.#childrenOf(instanceId) : [];
    return children.length === 0 ? instanceId : this.#cluster.world.random.pick(children);
  }

  /** Whether nobody need advance it. */
  isUnattended(instanceId: string): boolean {
    return this.#cluster.postgres.instances.get(instanceId)?.unattended === true;
  }

  #childrenOf(instanceId: string): string[] {
    return this.#cluster.postgres.children.of(instanceId).map((child) => child.instanceId);
  }

  /** The claim that the await cells wait for. */
  openGate(): void {
    if (!this.#cluster.postgres.claims.has('gate')) this.#claim('gate');
  }

  /** A claim that nobody tells a replica of. */
  #claim(claimId: string): void {
    this.#cluster.postgres.addClaim({
      claimId,
      revision: 1,
      status: 'open',
      agentId: 'agent',
      evidence: null,
      recordedAt: this.#cluster.postgres.now(),
    });
  }

  /** Ends all faults. */
  heal(): void {
    this.#cluster.network.heal();
    for (const { process } of this.#cluster.living) {
      process.wake();
      process.wallSkewMs = 0;
    }
    while (this.#cluster.living.length < 3) this.#cluster.startReplica();
    // A deploy is finished in the end.
    const complete = (): boolean =>
      this.#cluster.living.some(({ handlers }) => handlers.length === HANDLERS.length);
    while (!complete()) this.#cluster.startReplica();
  }

  /**
   * Ends all faults, and drives every instance to its end; false when one did not reach it in
   * time.
   */
  async finish(withinMs: number): Promise<boolean> {
    const { world } = this.#cluster;
    this.heal();
    this.openGate();
    let ended = false;
    const drive = async (): Promise<void> => {
      const all = [...this.instances, ...this.unattended];
      await Promise.all(all.map((instanceId) => this.#toItsEnd(instanceId)));
      // Children outlive a parent that was cancelled without them.
      const started = [...this.#cluster.postgres.instances.keys()];
      await Promise.all(started.map((instanceId) => this.#toItsEnd(instanceId)));
      ended = true;
    };
    void drive();
    await world.run(world.nowMs + withinMs, () => ended);
    return ended;
  }

  /** @param awaited whether its parent waits for it: then nobody may leave it halted */
  async #toItsEnd(instanceId: string, awaited = false): Promise<void> {
    for (;;) {
      const status = (await this.persons.status(instanceId))?.status;
      if (status === 'completed' || status === 'cancelled') return;
      if (status === 'halted' && !this.persons.wantsToRepair(instanceId)) {
        if (!awaited) return;
        await this.persons.cancel(instanceId, false);
      } else if (status === 'in_doubt' || status === 'halted')
        await this.persons.decide(instanceId);
      else if (!this.isUnattended(instanceId))
        await this.#request(instanceId, { holderFirst: true });
      if (status === 'parked')
        await Promise.all(this.#childrenOf(instanceId).map((child) => this.#toItsEnd(child, true)));
      // Another replica may be at work on it already.
      await this.#pause(250);
    }
  }

  async #request(
    instanceId: string,
    how: {
      maxCells?: number | undefined;
      wait?: boolean;
      againMs?: number | undefined;
      holderFirst?: boolean;
    },
  ): Promise<void> {
    const { world } = this.#cluster;
    this.#requests += 1;
    const requestId = `q${this.#requests}`;
    const body: { [field: string]: Json } = { requestId, agentId: 'agent' };
    if (how.maxCells !== undefined) body['maxCells'] = how.maxCells;
    if (how.wait === true) body['wait'] = true;
    body['expiresAt'] = new Date(EPOCH_MS + world.nowMs + 15_000).toISOString();
    const delaysMs = how.againMs === undefined ? [0] : [0, how.againMs];
    await Promise.all(
      delaysMs.map(async (delayMs) => {
        await this.#pause(delayMs);
        const holder = how.holderFirst === true ? this.#holders.of(instanceId) : undefined;
        const reply = await this.#advance(instanceId, body, holder);
        const receipt = reply.kind === 'reply' ? (reply.body as unknown as Receipt) : undefined;
        if (receipt !== undefined) {
          this.#holders.learn(receipt);
          this.persons.learns(receipt);
        }
        world.note(
          `agent receives ${requestId} on ${instanceId}: ${receipt?.outcome ?? reply.kind}`,
        );
        this.clientHistory.push({ requestId, instanceId, receipt });
      }),
    );
  }

  /**
   * Broadcasts, or first sends to the replica that is believed to hold the instance: until it
   * declines, is gone, or has been silent for a while.
   */
  async #advance(instanceId: string, body: Json, holder: string | undefined): Promise<BusReply> {
    const { subjects } = this.#cluster;
    const broadcast = (): Promise<BusReply> =>
      this.#bus.request(subjects.advance(instanceId), body, 20_000);
    if (holder === undefined) return broadcast();
    const alone = this.#bus
      .request(subjects.advanceAt(holder, instanceId), body, 20_000)
      .then((reply) => (isNotHolder(reply) ? 'elsewhere' : reply));
    const first = await Promise.race([alone, this.#pause(150).then(() => 'silent' as const)]);
    if (first !== 'silent' && first !== 'elsewhere') return first;
    const all = broadcast();
    return Promise.race([all, alone.then((reply) => (reply === 'elsewhere' ? all : reply))]);
  }

  #pause(delayMs: number): Promise<void> {
    return this.#agent.clock().sleep(delayMs);
  }
}
