import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import type { Subscription } from 'nats';

import type { TestCluster } from '../harness/replicas.ts';
import { Ledger } from './ledger.ts';
import type { RandomCell } from './random-cell.ts';
import { Receiver } from './receiver.ts';

/** Everything outside that cells act on: the ledger, the receiver, and programs. */
export class World {
  readonly ledger: Ledger;
  readonly #receiver: Receiver;
  readonly #programs: string;
  /** Cells whose receiver or program appears once an attempt has failed. */
  readonly #waiting = new Map<string, RandomCell>();
  readonly #events: Subscription;

  private constructor(ledger: Ledger, receiver: Receiver, folder: string, cluster: TestCluster) {
    this.ledger = ledger;
    this.#receiver = receiver;
    this.#programs = folder;
    this.#events = cluster.nats.subscribe(cluster.subject('event', '*'), {
      callback: (_error, message) => this.#look(message.json()),
    });
  }

  /** @param folder with a folder `verdicts` in it */
  static async open(folder: string, cluster: TestCluster): Promise<World> {
    const ledger = new Ledger(folder);
    const programs = join(folder, 'programs');
    mkdirSync(programs);
    return new World(ledger, await Receiver.start(ledger), programs, cluster);
  }

  /** Readies everything for a cell; the inputs of its instance. */
  async admit(cell: RandomCell): Promise<Record<string, unknown>> {
    const { instanceId, obstacle } = cell;
    const missing = obstacle === 'missing' || obstacle === 'missing_first';
    if (obstacle === 'missing_first' || obstacle === 'closed_first')
      this.#waiting.set(instanceId, cell);
    return {
      id: instanceId,
      plan: cell.plan.join(' '),
      says: cell.says,
      program: missing ? this.#programOf(cell) : 'sh',
      origin: await this.#receiver.admit(cell),
      extra: {},
      ledger: this.ledger.file,
      verdicts: this.ledger.verdicts,
    };
  }

  /** The cell has ended. */
  dismiss(cell: RandomCell): void {
    this.#waiting.delete(cell.instanceId);
    this.#receiver.dismiss(cell);
  }

  async close(): Promise<void> {
    this.#events.unsubscribe();
    await this.#receiver.stop();
  }

  #programOf({ instanceId }: RandomCell): string {
    return join(this.#programs, instanceId);
  }

  /** Opens what was closed, once the log has said that an attempt failed. */
  #look(event: { instanceId: string; rows: { kind: string }[] }): void {
    const cell = this.#waiting.get(event.instanceId);
    if (cell === undefined || !event.rows.some(({ kind }) => kind === 'failed')) return;
    this.#waiting.delete(cell.instanceId);
    if (cell.obstacle === 'closed_first') void this.#receiver.open(cell);
    else symlinkSync('/bin/sh', this.#programOf(cell));
  }
}
