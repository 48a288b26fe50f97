import type { Bus } from '../../src/bus/bus.ts';
import type { Json } from '../../src/json.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import type { Cluster, SimReplica } from './cluster.ts';
import { EPOCH_MS, SimProcess } from './world.ts';

/** Every kind of cell and every interrupt policy, in one runbook. */
export const RUNBOOK: Runbook = {
  runbook: 'sim',
  version: 1,
  inputs: [],
  cells: [
    { id: 'about', prose: 'Every kind of cell.' },
    { id: 'held', exec: { handler: 'any' } },
    { id: 'again', exec: { handler: 'any' }, onInterrupt: 'rerun' },
    { id: 'gate', await: { claim: 'gate', statuses: ['open'] } },
    { id: 'probed', exec: { handler: 'any' }, onInterrupt: 'probe', probe: { handler: 'probe' } },
    { id: 'check', assert: [{ cell: 'held', pointer: '', exists: true }] },
    { id: 'tried', exec: { handler: 'any' }, retry: { attempts: 3, backoff: '100ms' } },
  ],
};

/** What an agent was told, or that it was told nothing. */
export interface Told {
  requestId: string;
  instanceId: string;
  receipt: Receipt | undefined;
}

/** Agents that publish requests, persons who decide, and faults, all out of one seed. */
export class Workload {
  readonly told: Told[] = [];
  readonly decisions: { instanceId: string; ok: boolean }[] = [];
  readonly instances: string[];
  readonly #cluster: Cluster;
  readonly #agent: SimProcess;
  readonly #bus: Bus;
  #requests = 0;

  constructor(cluster: Cluster, instances: number) {
    this.#cluster = cluster;
    this.#agent = new SimProcess(cluster.world, 'agent');
    this.#bus = cluster.nats.bus(this.#agent);
    this.instances = Array.from({ length: instances }, (_, index) => `i${index + 1}`);
    cluster.postgres.runbooks.set(RUNBOOK.runbook, RUNBOOK);
    for (const instanceId of this.instances) {
      const instance = { instanceId, runbookId: 'sim', version: 1, inputs: {}, agentId: 'agent' };
      cluster.postgres.instances.set(instanceId, instance);
    }
  }

  /** Lays out requests and faults over the first `overMs` of virtual time. */
  layOut(requests: number, faults: number, overMs: number): void {
    const { world } = this.#cluster;
    for (let count = 0; count < requests; count += 1) {
      const atMs = world.random.between(1_000, overMs);
      const instanceId = world.random.pick(this.instances);
      world.at(atMs, () => void this.#ask(instanceId));
    }
    for (let count = 0; count < 3; count += 1) {
      world.at(
        world.random.between(1_000, overMs),
        () => void this.#decide(world.random.pick(this.instances)),
      );
    }
    world.at(world.random.between(2_000, overMs), () => this.openGate());
    for (let count = 0; count < faults; count += 1) {
      world.at(world.random.between(1_500, overMs), () => this.#fault());
    }
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

  /** Ends all faults, and drives every instance to its end; false when one did not get there in time. */
  async finish(): Promise<boolean> {
    const { world, network } = this.#cluster;
    network.heal();
    for (const { process } of this.#cluster.living) process.wake();
    while (this.#cluster.living.length < 3) this.#cluster.startReplica();
    this.openGate();
    let ended = false;
    const drive = async (): Promise<void> => {
      await Promise.all(this.instances.map((instanceId) => this.#toItsEnd(instanceId)));
      ended = true;
    };
    void drive();
    await world.run(world.nowMs + 240_000, () => ended);
    return ended;
  }

  async #toItsEnd(instanceId: string): Promise<void> {
    for (;;) {
      const status = await this.#status(instanceId);
      if (status === 'completed' || status === 'halted') return;
      if (status === 'in_doubt') await this.#decide(instanceId);
      else await this.#ask(instanceId);
    }
  }

  async #status(instanceId: string): Promise<string | undefined> {
    const reply = await this.#bus.request(this.#cluster.subjects.status(instanceId), {}, 5_000);
    return reply.kind === 'reply' ? ((reply.body as { status?: string }).status ?? undefined) : undefined;
  }

  async #ask(instanceId: string): Promise<void> {
    const { world, subjects } = this.#cluster;
    this.#requests += 1;
    const requestId = `q${this.#requests}`;
    const body: { [field: string]: Json } = { requestId, agentId: 'agent' };
    if (world.random.chance(0.3)) body['maxCells'] = world.random.chance(0.5) ? 1 : 2;
    if (world.random.chance(0.3)) body['wait'] = true;
    body['expiresAt'] = new Date(EPOCH_MS + world.nowMs + 15_000).toISOString();
    const twice = world.random.chance(0.2) ? [0, world.random.between(0, 3_000)] : [0];
    await Promise.all(
      twice.map(async (delayMs) => {
        await this.#pause(delayMs);
        const reply = await this.#bus.request(subjects.advance(instanceId), body, 20_000);
        const receipt = reply.kind === 'reply' ? (reply.body as unknown as Receipt) : undefined;
        world.note(`agent is told ${requestId} on ${instanceId}: ${receipt?.outcome ?? reply.kind}`);
        this.told.push({ requestId, instanceId, receipt });
      }),
    );
  }

  async #decide(instanceId: string): Promise<void> {
    const { world, subjects } = this.#cluster;
    const reply = await this.#bus.request(subjects.status(instanceId), {}, 5_000);
    const inDoubt = reply.kind === 'reply' ? (reply.body as { inDoubt?: InDoubtReply }).inDoubt : undefined;
    if (inDoubt === undefined) return;
    const { cellId, attempt } = inDoubt;
    const as = world.random.pick(['succeeded', 'rerun', 'skipped', 'rerun']);
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

  #fault(): void {
    const { world, network } = this.#cluster;
    const { random } = world;
    const victims = this.#cluster.living;
    const victim: SimReplica | undefined = victims.length === 0 ? undefined : random.pick(victims);
    const forMs = random.between(300, 6_000);
    const server = random.pick(['etcd', 'postgres', 'nats'] as const);
    const fault = random.pick([
      'kill',
      'kill',
      'freeze',
      'freeze',
      'cut',
      'cut',
      'down',
      'drain',
      'storm',
      'jump',
      'all',
    ]);
    world.note(`FAULT ${fault} ${victim?.replicaId ?? ''} ${server} for ${forMs.toFixed(0)} ms`);
    const replace = (): void => void this.#cluster.startReplica();
    switch (fault) {
      case 'kill':
        victim?.process.kill();
        world.at(forMs, replace);
        return;
      case 'freeze':
        victim?.process.freeze();
        world.at(forMs, () => victim?.process.wake());
        return;
      case 'cut':
        if (victim === undefined) return;
        network.setCut(victim.process, server, true);
        world.at(forMs, () => network.setCut(victim.process, server, false));
        return;
      case 'down':
        network.setDown(server, true);
        world.at(forMs, () => network.setDown(server, false));
        return;
      case 'drain':
        void victim?.replica.drain().then(() => victim.process.kill());
        world.at(forMs, replace);
        return;
      case 'storm':
        network.weather = {
          lostCall: 0.1,
          lostAnswer: 0.1,
          lostMessage: 0.1,
          doubledMessage: 0.1,
          latencyMs: 150,
        };
        world.at(forMs, () => network.heal());
        return;
      case 'jump':
        if (victim !== undefined) victim.process.wallSkewMs += random.between(-60_000, 60_000);
        return;
      case 'all':
        for (const { process } of victims) process.kill();
        for (let count = 0; count < 3; count += 1) world.at(forMs + count, replace);
    }
  }
}

interface InDoubtReply {
  cellId: string;
  attempt: number;
}
