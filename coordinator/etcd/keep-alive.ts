import type { Etcd3 } from 'etcd3';
import type { Clock } from '../../src/time/clock.ts';
import { errorText } from '../../src/error-text.ts';
import { exactInteger } from '../../src/ids.ts';
import { withDeadline } from '../../src/time/deadline.ts';
import { StoreUnavailable } from '../store.ts';

/** What keep-alives need from outside. */
export interface EtcdKeepAliveOptions {
  clock: Clock;
  /** How long an answer may take, in milliseconds. */
  timeoutMs: number;
  /** A client of one member of the cluster, another one with each call. */
  dial: () => Etcd3;
}

/**
 * Keep-alives over a connection of their own, to one member at a time.
 *
 * After a keep-alive that is not answered in time the next one dials anew, since where answers are
 * lost no new connection comes to be, and so nothing goes on renewing a lease that this process has
 * long ceased to trust. The silent connection is kept: the one keep-alive may have arrived over it,
 * and so may the revocation that undoes it.
 */
export class EtcdKeepAlive {
  readonly #options: EtcdKeepAliveOptions;
  #client: Etcd3 | undefined;
  readonly #silent = new Set<Etcd3>();

  constructor(options: EtcdKeepAliveOptions) {
    this.#options = options;
  }

  /**
   * Sends one keep-alive.
   *
   * @throws StoreUnavailable when there is no answer in time
   */
  async renew(leaseId: string): Promise<{ ttlMs: number }> {
    const { clock, timeoutMs, dial } = this.#options;
    const client = (this.#client ??= dial());
    const late = `etcd: a keep-alive was not answered within ${timeoutMs} ms`;
    let silent = true;
    try {
      const answer = await withDeadline(clock, timeoutMs, StoreUnavailable, late, () =>
        ask(client, leaseId).finally(() => {
          silent = false;
        }),
      );
      this.#hangUpSilent();
      return answer;
    } catch (error) {
      if (this.#client === client) this.#client = undefined;
      if (silent) this.#silent.add(client);
      else client.close();
      throw error;
    }
  }

  /**
   * Sends a revocation after whatever was sent over connections that fell silent. Nobody hears what
   * comes of it.
   */
  async revokeBlindly(leaseId: string): Promise<void> {
    await Promise.allSettled(
      [...this.#silent].map((client) => client.leaseClient.leaseRevoke({ ID: leaseId })),
    );
    this.#hangUpSilent();
  }

  /** Drops all connections; what is under way fails. */
  close(): void {
    this.#client?.close();
    this.#client = undefined;
    this.#hangUpSilent();
  }

  #hangUpSilent(): void {
    for (const client of this.#silent) client.close();
    this.#silent.clear();
  }
}

async function ask(client: Etcd3, leaseId: string): Promise<{ ttlMs: number }> {
  const stream = await client.leaseClient.leaseKeepAlive();
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new StoreUnavailable(`etcd: keep-alive: ${why}`));
    stream.on('error', (error) => fail(errorText(error)));
    stream.on('end', () => fail('etcd ended the stream'));
    stream.on('data', (answer) => {
      stream.end();
      if (answer.ID === leaseId) resolve({ ttlMs: Math.max(0, exactInteger(answer.TTL)) * 1_000 });
      else fail(`asked for ${leaseId}, got ${answer.ID}`);
    });
    stream.write({ ID: leaseId });
  });
}
