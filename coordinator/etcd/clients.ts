import type { Etcd3 } from 'etcd3';
import { keepingLast, type TlsTexts } from '../../src/config/tls-texts.ts';
import type { Clock } from '../../src/time/clock.ts';
import { etcdClient, type EtcdOptions } from './client.ts';
import { isUnreachable } from './hosts.ts';

/** How often the certificate files are read, at most. */
const CHECK_MS = 1_000;

/** A client of the whole cluster, and how many calls and watches use it. */
interface SharedClient {
  client: Etcd3;
  tls: TlsTexts | undefined;
  uses: number;
}

/**
 * The clients of etcd, which use the certificates as they are now.
 *
 * A client of `etcd3` connects again by itself, but always with the certificates that it was made
 * with. So before a call, at most once a second, the certificates are read. If they changed, a new
 * client tries them, and once it has an answer, or once the old client cannot reach etcd, all
 * further calls go to the new one. The old one is closed when its last call and its last watch are
 * over: a rotation breaks neither, whether it begins at the client or at the server.
 */
export class EtcdClients {
  readonly #options: EtcdOptions;
  readonly #clock: Clock;
  readonly #callTimeoutMs: number;
  readonly #read: () => TlsTexts | undefined;
  #tls: TlsTexts | undefined;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #shared: SharedClient | undefined;
  readonly #all = new Set<SharedClient>();
  #isTrying = false;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: EtcdOptions, clock: Clock, callTimeoutMs: number) {
    this.#options = options;
    this.#clock = clock;
    this.#callTimeoutMs = callTimeoutMs;
    const { tls, onWarning } = options;
    this.#read = typeof tls === 'function' ? keepingLast(tls, onWarning ?? (() => {})) : () => tls;
  }

  /** Runs a call on the client that is used now. */
  async use<T>(call: (client: Etcd3) => Promise<T>): Promise<T> {
    const shared = this.#take();
    try {
      return await call(shared.client);
    } catch (error) {
      if (isUnreachable(error) && shared === this.#shared && this.#isOutdated(shared))
        this.#shared = undefined;
      throw error;
    } finally {
      this.#release(shared);
    }
  }

  /** The client that is used now, for a watch; `release` says that the watch is over. */
  borrow(): { client: Etcd3; release: () => void } {
    const shared = this.#take();
    let released = false;
    return {
      client: shared.client,
      release: () => {
        if (released) return;
        released = true;
        this.#release(shared);
      },
    };
  }

  /** A client of some members alone, which the caller closes. */
  dial(hosts: string | string[] = this.#options.hosts): Etcd3 {
    return etcdClient({
      hosts,
      tls: this.tls(),
      auth: this.#options.auth,
      callTimeoutMs: this.#callTimeoutMs,
      clock: this.#clock,
    });
  }

  /** The certificates as they are now: the same object for as long as they do not change. */
  tls(): TlsTexts | undefined {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#checkedAtMs >= CHECK_MS) {
      this.#checkedAtMs = nowMs;
      this.#tls = this.#read();
    }
    return this.#tls;
  }

  /** Closes every shared client; calls under way fail. */
  close(): void {
    this.#closed = true;
    for (const { client } of this.#all) client.close();
  }

  #take(): SharedClient {
    const shared = (this.#shared ??= this.#newClient());
    if (this.#isOutdated(shared)) this.#tryCertificates();
    shared.uses += 1;
    return shared;
  }

  #newClient(): SharedClient {
    const shared = { client: this.dial(), tls: this.tls(), uses: 0 };
    this.#all.add(shared);
    if (this.#closed) shared.client.close();
    return shared;
  }

  #isOutdated(shared: SharedClient): boolean {
    return !this.#closed && shared.tls !== this.tls();
  }

  /** Asks etcd with a client that has the new certificates, at most once a second. */
  #tryCertificates(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#isTrying || nowMs - this.#triedAtMs < CHECK_MS) return;
    this.#isTrying = true;
    this.#triedAtMs = nowMs;
    const candidate = this.#newClient();
    void candidate.client.kv
      .range({ key: Buffer.from([0]), limit: 1 })
      // Also if it is not allowed to read that: etcd has accepted the certificate.
      .then(
        () => true,
        (error: unknown) => !isUnreachable(error),
      )
      .then((accepted) => {
        this.#isTrying = false;
        const old = this.#shared;
        if (accepted) this.#shared = candidate;
        for (const one of [old, candidate]) if (one !== undefined) this.#closeUnused(one);
      });
  }

  #release(shared: SharedClient): void {
    shared.uses -= 1;
    this.#closeUnused(shared);
  }

  #closeUnused(shared: SharedClient): void {
    if (shared === this.#shared || shared.uses > 0) return;
    this.#all.delete(shared);
    shared.client.close();
  }
}
