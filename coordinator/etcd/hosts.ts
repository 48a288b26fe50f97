import { isRecoverableError } from 'etcd3';
import type { IOptions } from 'etcd3';
import type { Clock } from '../../src/time/clock.ts';

/** What `etcd3` runs each call through: globally, and per host. */
export type FaultPolicy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

const SHUN_MS = 1_000;
const LONGEST_SHUN_MS = 15_000;
/** gRPC's status codes DEADLINE_EXCEEDED and UNAVAILABLE. */
const UNREACHABLE = new Set([4, 14]);

/**
 * Runs each call once. The library's own policies repeat calls that may have been applied, and
 * delay others.
 */
export const once: FaultPolicy = policy((run) => run());

/**
 * Skips a cluster member that did not answer, for a time that doubles while it stays silent, as
 * long as another member is left to ask: `etcd3` picks a host at random for each call and moves on
 * to the next only if the host's policy refuses before the call is sent. A call that was sent is
 * never repeated here.
 */
export function shunSilentHosts(clock: Clock): (host: string) => FaultPolicy {
  const hosts: { shunnedUntilMs: number; forMs: number }[] = [];
  const shunned = (host: { shunnedUntilMs: number }): boolean =>
    clock.monotonicMs() < host.shunnedUntilMs;
  return () => {
    const self = { shunnedUntilMs: Number.NEGATIVE_INFINITY, forMs: SHUN_MS };
    hosts.push(self);
    return policy(async (run) => {
      if (shunned(self) && !hosts.every(shunned)) throw new HostShunned();
      try {
        const answer = await run();
        self.shunnedUntilMs = Number.NEGATIVE_INFINITY;
        self.forMs = SHUN_MS;
        return answer;
      } catch (error) {
        if (isUnreachable(error) && !shunned(self)) {
          self.shunnedUntilMs = clock.monotonicMs() + self.forMs;
          self.forMs = Math.min(LONGEST_SHUN_MS, self.forMs * 2);
        }
        throw error;
      }
    });
  };
}

/** Nothing was sent: this host is skipped for now. */
class HostShunned extends Error {
  override readonly name = 'HostShunned';
}

function policy(execute: <T>(run: () => T | PromiseLike<T>) => T | PromiseLike<T>): FaultPolicy {
  return {
    _altReturn: undefined as never,
    onSuccess: () => ({ dispose: () => undefined }),
    onFailure: () => ({ dispose: () => undefined }),
    execute: async (run, signal = new AbortController().signal) => execute(() => run({ signal })),
  };
}

/** Whether a call failed because its member could not be reached. */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return isRecoverableError(error) || ('code' in error && UNREACHABLE.has(error.code as number));
}
