import { setTimeout as sleep } from 'node:timers/promises';

import type { TestContext } from 'vitest';

import { watchMachine } from './busy.ts';
import { Witness } from './effects.ts';
import { TestCluster } from './replicas.ts';
import type { LogRow, ReceiptReply } from './replies.ts';
import type { ReplicaProcess } from './replica-process.ts';

/** A cell whose effect is a call to the witness. */
export function httpCell(id: string, more: object = {}): object {
  return {
    id,
    exec: { http: { method: 'POST', url: '${inputs.witness}/effects', body: { cell: id } } },
    ...more,
  };
}

/** A probe that asks the witness whether the effect happened. */
export const PROBE = { http: { method: 'GET', url: '${inputs.witness}/probe' } };

/** A runbook whose instances take the witness's URL as their one input. */
export function runbookOf(
  id: string,
  cells: object[],
): { runbook: string; [field: string]: unknown } {
  return { runbook: id, version: 1, inputs: ['witness'], cells };
}

/** How long a replica's report may take to arrive after another replica has answered. */
const REPORT_TIMEOUT_MS = 5_000;

/** Replica processes and a witness of what they do; victims come and go, the others stay. */
export class Scene {
  readonly cluster: TestCluster;
  readonly witness: Witness;
  #names = 0;

  private constructor(cluster: TestCluster, witness: Witness) {
    this.cluster = cluster;
    this.witness = witness;
  }

  static async start(
    options: Parameters<typeof TestCluster.start>[0],
    runbooks: { runbook: string }[],
  ): Promise<Scene> {
    const [cluster, witness] = await Promise.all([TestCluster.start(options), Witness.start()]);
    for (const runbook of runbooks) await cluster.pushRunbook(runbook);
    return new Scene(cluster, witness);
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    await this.witness.stop();
  }

  /** A name that this scene has not used. */
  name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  /** One more replica, with failpoints (where there are any) that fire for this request only. */
  victim(failpoints?: string): Promise<ReplicaProcess> {
    const env = failpoints === undefined ? {} : { LEASEHOLD_FAILPOINTS: failpoints };
    return this.cluster.startReplica(this.name('victim'), env);
  }

  /** A fresh instance. */
  async instance(runbookId: string): Promise<string> {
    const instanceId = this.name('i');
    await this.cluster.start(instanceId, runbookId, { witness: this.witness.url });
    return instanceId;
  }

  /**
   * The replica that holds the instance. A request that names a wrong cell acquires the lease and
   * writes nothing.
   */
  async touch(instanceId: string): Promise<ReceiptReply> {
    return this.cluster.advance(instanceId, this.name('touch'), { cellId: 'nowhere' });
  }

  /** A fresh instance that this replica holds: fresh ones are tried until it acquires one. */
  async instanceHeldBy(replica: ReplicaProcess, runbookId: string): Promise<string> {
    for (;;) {
      const instanceId = await this.instance(runbookId);
      const { holder } = await this.touch(instanceId);
      if (holder?.replicaId === replica.replicaId) return instanceId;
    }
  }

  /**
   * Resolves with the report of a victim's failpoint. A victim that gets no CPU time can lose its
   * lease before its failpoint; another replica then answers the request, and the failpoint is
   * never reached. On a busy machine the test is then skipped by name; otherwise it fails.
   */
  async reached(
    victim: ReplicaProcess,
    point: string,
    { answer, context }: { answer: Promise<unknown>; context: Pick<TestContext, 'skip'> },
  ): Promise<Record<string, unknown>> {
    const answered = answer.then(async (reply) => {
      await sleep(REPORT_TIMEOUT_MS);
      return { reply };
    });
    const first = await Promise.race([victim.failpointReached(point), answered]);
    if (!('reply' in first)) return first;
    (await watchMachine()).skipIfBusy(context);
    throw new Error(
      `${victim.name} did not reach ${point}; the answer is ${JSON.stringify(first.reply)}`,
    );
  }

  /** Rows of the log, as `kind cell attempt` with the reason or verdict. */
  async story(instanceId: string): Promise<string[]> {
    return (await this.cluster.rows(instanceId)).map(label);
  }

  /** The receipt as it is recorded; undefined when there is none. */
  async recorded(requestId: string): Promise<unknown> {
    const found = await this.cluster.app.query<{ receipt: unknown }>(
      'select receipt from leasehold.requests where request_id = $1',
      [requestId],
    );
    return found.rows[0]?.receipt;
  }

  async lateOutcomes(
    instanceId: string,
  ): Promise<{ cell_id: string; attempt: number; kind: string; replica_id: string }[]> {
    const found = await this.cluster.app.query(
      'select cell_id, attempt, kind, replica_id from leasehold.late_outcomes where instance_id = $1',
      [instanceId],
    );
    return found.rows as never;
  }

  async refusals(
    instanceId: string,
  ): Promise<
    { seq: number; kind: string; replica_id: string; fencing_token: number; reason: string }[]
  > {
    const found = await this.cluster.app.query(
      `select seq::int, kind, replica_id, fencing_token::float8 as fencing_token, reason
         from leasehold.refusals where instance_id = $1 order by refusal_id`,
      [instanceId],
    );
    return found.rows as never;
  }
}

/** One row as text. */
function label(row: LogRow): string {
  const { kind, cell_id: cellId, attempt, body } = row;
  const more =
    kind === 'interrupted'
      ? ` ${String(body['reason'])}`
      : kind === 'decided'
        ? ` ${String(body['as'])} by ${String(body['by'])}`
        : '';
  return `${kind} ${cellId} ${attempt}${more}`;
}

/** Rows as a receipt lists them. */
export function stepsOf(rows: readonly LogRow[], requestId: string): ReceiptReply['steps'] {
  return rows
    .filter((row) => row.request_id === requestId)
    .map(({ seq, cell_id: cellId, kind, attempt }) => ({ seq, cellId, kind, attempt }));
}

/** Runs tasks one after another, in the order in which they came. */
export function lane(): <T>(work: () => Promise<T>) => Promise<T> {
  let tail: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = tail.then(work);
    tail = result.catch(() => undefined);
    return result;
  };
}
