import type { Bus, BusReply } from '../../src/bus/bus.ts';
import { isNotHolder } from '../../src/bus/not-holder.ts';
import type { Json } from '../../src/json.ts';
import { HolderCache } from '../../src/request/holder-cache.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import type { Cluster } from './cluster.ts';
import { STORM } from './network.ts';
import { HANDLERS } from './sim-effects.ts';
import type { Fault, Planned } from './schedule.ts';
import { EPOCH_MS, SimProcess } from './world.ts';

/** Every kind of cell and every interrupt policy, in one runbook. */
export const RUNBOOK: Runbook = {
  runbook: 'sim',
  version: 1,
  inputs: [],
  cells: [
    { id: 'about', prose: 'Every kind of cell.' },
    { id: 'held', exec: { handler: 'any' } },
    {
      id: 'again',
      exec: { handler: 'any' },
      expect: [{ pointer: '/attempt', exists: true }],
      onInterrupt: 'rerun',
    },
    { id: 'gate', await: { claim: 'gate', statuses: ['open'] } },
    { id: 'probed', exec: { handler: 'any' }, onInterrupt: 'probe', probe: { handler: 'probe' } },
    { id: 'check', assert: [{ cell: 'held', pointer: '', exists: true }] },
    { id: 'tried', exec: { handler: 'new' }, retry: { attempts: 3, backoff: '100ms' } },
  ],
};

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
  readonly decisions: { instanceId: string; ok: boolean }[] = [];
  readonly instances: string[];
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
    cluster.postgres.runbooks.set(RUNBOOK.runbook, RUNBOOK);
    for (const instanceId of this.instances) {
      cluster.postgres.instances.set(instanceId, {
        instanceId,
        runbookId: 'sim',
        version: 1,
        inputs: {},
        agentId: 'agent',
        recordedAt: new Date(EPOCH_MS).toISOString(),
      });
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
        void this.#request(this.#instance(planned.instance), planned);
        return;
      case 'decide':
        void this.#decide(this.#instance(planned.instance));
        return;
      case 'open_gate':
        this.openGate();
        return;
      case 'break':
        this.#break(planned);
    }
  }

  #instance(index: number): string {
    return this.instances[index % this.instances.length] ?? '';
  }

  /** The claim that the await cells wait for. */
  openGate(): void {
    const claim = {
      claimId: 'gate',
      revision: 1,
      status: 'open',
      agentId: 'agent',
      evidence: null,
      recordedAt: '',
    };
    this.#cluster.postgres.claims.set('gate', [claim]);
  }

  /**
   * Ends all faults, and drives every instance to its end; false when one did not reach it in
   * time.
   */
  async finish(withinMs: number): Promise<boolean> {
    const { world, network } = this.#cluster;
    network.heal();
    for (const { process } of this.#cluster.living) {
      process.wake();
      process.wallSkewMs = 0;
    }
    while (this.#cluster.living.length < 3) this.#cluster.startReplica();
    // A deploy is finished in the end.
    const complete = (): boolean =>
      this.#cluster.living.some(({ handlers }) => handlers.length === HANDLERS.length);
    while (!complete()) this.#cluster.startReplica();
    this.openGate();
    let ended = false;
    const drive = async (): Promise<void> => {
      await Promise.all(this.instances.map((instanceId) => this.#toItsEnd(instanceId)));
      ended = true;
    };
    void drive();
    await world.run(world.nowMs + withinMs, () => ended);
    return ended;
  }

  async #toItsEnd(instanceId: string): Promise<void> {
    for (;;) {
      const status = await this.#status(instanceId);
      if (status === 'completed' || status === 'halted') return;
      if (status === 'in_doubt') await this.#decide(instanceId);
      else await this.#request(instanceId, { holderFirst: true });
      // Another replica may be at work on it already.
      await this.#pause(250);
    }
  }

  async #status(instanceId: string): Promise<string | undefined> {
    const reply = await this.#bus.request(this.#cluster.subjects.status(instanceId), {}, 5_000);
    return reply.kind === 'reply'
      ? ((reply.body as { status?: string }).status ?? undefined)
      : undefined;
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
        if (receipt !== undefined) this.#holders.learn(receipt);
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

  async #decide(instanceId: string): Promise<void> {
    const { world, subjects } = this.#cluster;
    const reply = await this.#bus.request(subjects.status(instanceId), {}, 5_000);
    const inDoubt =
      reply.kind === 'reply' ? (reply.body as { inDoubt?: InDoubtReply }).inDoubt : undefined;
    if (inDoubt === undefined) return;
    const { cellId, attempt } = inDoubt;
    const as = world.random.pick(['succeeded', 'rerun', 'skipped', 'rerun', 'failed']);
    const body = { agentId: 'person', cellId, attempt, as, reason: 'looked' };
    const answer = await this.#bus.request(subjects.decide(instanceId), body, 12_000);
    const ok = answer.kind === 'reply' && (answer.body as { seq?: number }).seq !== undefined;
    world.note(
      `person decides ${instanceId}/${cellId} attempt ${attempt} as ${as}: ${ok ? 'taken' : 'refused'}`,
    );
    this.decisions.push({ instanceId, ok });
  }

  #pause(delayMs: number): Promise<void> {
    return this.#agent.clock().sleep(delayMs);
  }

  #break(fault: Fault): void {
    const { world, network } = this.#cluster;
    const { living } = this.#cluster;
    const victim =
      'victim' in fault ? living[fault.victim % Math.max(1, living.length)] : undefined;
    world.note(`FAULT ${victim?.replicaId ?? ''} ${JSON.stringify(fault)}`);
    const replaceIn = (forMs: number): void =>
      void world.at(forMs, () => void this.#cluster.startReplica());
    switch (fault.fault) {
      case 'kill':
        victim?.process.kill();
        replaceIn(fault.forMs);
        return;
      case 'freeze':
        victim?.process.freeze();
        world.at(fault.forMs, () => victim?.process.wake());
        return;
      case 'trap':
        network.trap(fault, (process) => {
          world.note(
            `${process.name} is caught: ${fault.act} ${fault.point} ${fault.port} ${fault.call}`,
          );
          if (fault.act === 'freeze') {
            process.freeze();
            world.at(fault.forMs, () => process.wake());
          } else {
            process.kill();
            replaceIn(fault.forMs);
          }
        });
        return;
      case 'cut':
        if (victim === undefined) return;
        network.setCut(victim.process, fault.server, true);
        world.at(fault.forMs, () => network.setCut(victim.process, fault.server, false));
        return;
      case 'down':
        network.setDown(fault.server, true);
        world.at(fault.forMs, () => network.setDown(fault.server, false));
        return;
      case 'drain':
        void victim?.replica.drain().then(() => victim.process.kill());
        replaceIn(fault.forMs);
        return;
      case 'storm':
        network.weather = STORM;
        world.at(fault.forMs, () => network.calm());
        return;
      case 'jump':
        if (victim !== undefined) victim.process.wallSkewMs += fault.skewMs;
        return;
      case 'all':
        for (const { process } of living) process.kill();
        for (let count = 0; count < 3; count += 1) replaceIn(fault.forMs + count);
    }
  }
}

interface InDoubtReply {
  cellId: string;
  attempt: number;
}
