import type { Etcd3, IDuplexStream, ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from 'etcd3';
import type { Clock, Timer } from '../src/clock.ts';
import { exactInteger } from '../src/ids.ts';
import { reasonOf, StoreUnavailable } from './store.ts';

type KeepAliveStream = IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

/**
 * Keep-alives over a single stream, which is opened when one is first needed and again after it broke.
 *
 * etcd answers in the order of the sends, so each answer belongs to the oldest renewal that waits. A renewal that is
 * not answered in time gives up the stream with all that wait on it: the next one dials anew, perhaps another server.
 */
export class EtcdKeepAlive {
  readonly #client: Etcd3;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #lane: Lane | undefined;

  constructor(client: Etcd3, clock: Clock, timeoutMs: number) {
    this.#client = client;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects with {@link StoreUnavailable} when there is no answer in time. */
  renew(leaseId: string): Promise<{ ttlMs: number }> {
    if (this.#lane === undefined || this.#lane.broken) {
      this.#lane = new Lane(this.#client.leaseClient.leaseKeepAlive());
    }
    const lane = this.#lane;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(this.#timeoutMs, () =>
        lane.break(`a keep-alive was not answered within ${this.#timeoutMs} ms`),
      );
      lane.send({ leaseId, timer, resolve, reject });
    });
  }

  /** Gives up the stream; renewals that wait fail. */
  close(): void {
    this.#lane?.break('closed');
  }
}

interface Renewal {
  leaseId: string;
  timer: Timer;
  resolve(answer: { ttlMs: number }): void;
  reject(error: StoreUnavailable): void;
}

/** One stream and the renewals that wait for their answers on it, oldest first. */
class Lane {
  broken = false;
  readonly #waiting: Renewal[] = [];
  readonly #opening: Promise<KeepAliveStream>;
  #stream: KeepAliveStream | undefined;

  constructor(opening: Promise<KeepAliveStream>) {
    this.#opening = opening;
    opening.then(
      (stream) => {
        this.#stream = stream;
        stream.on('data', (answer) => this.#answered(answer));
        stream.on('error', (error) => this.break(reasonOf(error)));
        stream.on('end', () => this.break('etcd ended the stream'));
        if (this.broken) hangUp(stream);
      },
      (error: unknown) => this.break(reasonOf(error)),
    );
  }

  send(renewal: Renewal): void {
    this.#waiting.push(renewal);
    // Through the opening promise every time, so that renewals are written in the order in which they wait.
    this.#opening.then(
      (stream) => {
        if (!this.broken) stream.write({ ID: renewal.leaseId });
      },
      () => undefined, // the constructor breaks the lane
    );
  }

  break(why: string): void {
    if (this.broken) return;
    this.broken = true;
    if (this.#stream !== undefined) hangUp(this.#stream);
    for (const renewal of this.#waiting.splice(0)) {
      renewal.timer.cancel();
      renewal.reject(new StoreUnavailable(`etcd: keep-alive: ${why}`));
    }
  }

  #answered(answer: ILeaseKeepAliveResponse): void {
    if (this.broken) return;
    const renewal = this.#waiting.shift();
    if (renewal === undefined) return;
    renewal.timer.cancel();
    if (renewal.leaseId === answer.ID) {
      renewal.resolve({ ttlMs: Math.max(0, exactInteger(answer.TTL)) * 1_000 });
      return;
    }
    renewal.reject(new StoreUnavailable(`etcd: keep-alive: asked for ${renewal.leaseId}, got ${answer.ID}`));
    this.break('answers are out of step');
  }
}

/** Ends a stream of our own accord. Ended before it is cancelled, it does not count as a fault of the host. */
function hangUp(stream: KeepAliveStream): void {
  stream.end();
  stream.cancel();
}
