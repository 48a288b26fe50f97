import type { Etcd3 } from 'etcd3';
import type { Clock } from '../../src/time/clock.ts';
import { errorText } from '../../src/error-text.ts';
import { exactInteger } from '../../src/ids.ts';
import { withDeadline } from '../../src/time/deadline.ts';
import { StoreUnavailable } from '../store.ts';

/** How to make an {@link EtcdKeepAlive}. */
export interface EtcdKeepAliveOptions {
  clock: Clock;
  /** How long an answer may take, in milliseconds. */
  timeoutMs: number;
  /** Creates a client of one cluster member, of another one with each call. */
  dial: () => Etcd3;
}

/**
 * Sends keep-alives over a separate connection, to one member at a time.
 *
 * After a keep-alive that is not answered in time, the next one opens a new connection: if answers
 * are being lost, that fails, so nothing keeps renewing a lease that this process no longer trusts.
 * The silent connection is kept: the keep-alive may have arrived over it, and so may the revocation
 * that undoes it.
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
        keepAlive(client, leaseId).finally(() => {
          silent = false;
        }),
      );
      this.#closeSilent();
      return answer;
    } catch (error) {
      if (this.#client === client) this.#client = undefined;
      if (silent) this.#silent.add(client);
      else client.close();
      throw error;
    }
  }

  /**
   * Sends a revocation over each connection that fell silent, after whatever was sent there.
   * Ignores the result.
   */
  async revokeBlindly(leaseId: string): Promise<void> {
    await Promise.allSettled(
      [...this.#silent].map((client) => client.leaseClient.leaseRevoke({ ID: leaseId })),
    );
    this.#closeSilent();
  }

  /** Closes all connections; calls under way fail. */
  close(): void {
    this.#client?.close();
    this.#client = undefined;
    this.#closeSilent();
  }

  #closeSilent(): void {
    for (const client of this.#silent) client.close();
    this.#silent.clear();
  }
}

async function keepAlive(client: Etcd3, leaseId: string): Promise<{ ttlMs: number }> {
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
