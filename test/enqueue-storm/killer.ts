import { setTimeout as pause } from 'node:timers/promises';

import type { Random } from '../../tools/chaos/random.ts';
import type { TestCluster } from '../harness/replicas.ts';
import type { ReplicaProcess } from '../harness/replica-process.ts';

/** Replicas of which one is killed every now and then, and replaced at once. */
export class Killer {
  readonly #cluster: TestCluster;
  readonly #names: readonly string[];
  readonly #random: Random;
  readonly #living = new Map<string, ReplicaProcess>();
  readonly #starting = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #killing: Promise<void> | undefined;
  kills = 0;
  /** Replicas that ended although nobody killed them. */
  readonly lost: string[] = [];

  constructor(cluster: TestCluster, names: readonly string[], random: Random) {
    this.#cluster = cluster;
    this.#names = names;
    this.#random = random;
  }

  async startAll(): Promise<void> {
    await Promise.all(this.#names.map((name) => this.#start(name)));
  }

  async killAll(): Promise<void> {
    const all = [...this.#living.values()];
    for (const replica of all) this.#kill(replica);
    await Promise.all(all.map(({ exited }) => exited));
  }

  /** Kills one that lives this often, until {@link Killer.end}, and at most this many. */
  begin(everyMs: number, most = Number.POSITIVE_INFINITY): void {
    this.#killing = (async () => {
      while (!this.#stop.signal.aborted && this.kills < most) {
        const living = [...this.#living.values()];
        if (living.length > 0) {
          const victim = this.#random.pick(living);
          this.#kill(victim);
          const started = this.#start(victim.name).finally(() => this.#starting.delete(started));
          this.#starting.add(started);
        }
        await pause(everyMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    })();
  }

  /** Kills no more; those that are starting are there afterwards. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#killing;
    await Promise.allSettled(this.#starting);
  }

  async #start(name: string): Promise<void> {
    const replica = await this.#cluster.startReplica(name);
    this.#living.set(name, replica);
    void replica.exited.then(() => {
      if (this.#living.get(name) !== replica || this.#stop.signal.aborted) return;
      this.#living.delete(name);
      this.lost.push(`replica ${name} ended by itself: ${replica.log.slice(-2_000)}`);
    });
  }

  #kill(replica: ReplicaProcess): void {
    this.#living.delete(replica.name);
    this.kills += 1;
    replica.kill();
  }
}
