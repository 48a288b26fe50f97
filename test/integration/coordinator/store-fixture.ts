import { onTestFinished } from 'vitest';

import { etcdStore } from '../../../coordinator/etcd/store.ts';
import type { LeaseStore } from '../../../coordinator/store.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { serversForTests } from '../../harness/servers.ts';

/**
 * A store on the shared etcd, closed when the test is over. The call time-out is long: what a test
 * shows must hold on a busy machine too.
 */
export function realStore(): LeaseStore {
  const store = etcdStore({ hosts: [...serversForTests().etcdUrls], callTimeoutMs: 30_000 });
  onTestFinished(() => store.close());
  return store;
}

/** Resolves when the condition holds; the test's own time-out is the bound. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await systemClock.sleep(10);
}
