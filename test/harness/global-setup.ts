import type { TestProject } from 'vitest/node';
import { startStack } from '../../tools/stack/servers.ts';
import type { Stack } from '../../tools/stack/servers.ts';

declare module 'vitest' {
  interface ProvidedContext {
    etcdUrls: string[];
    natsUrls: string[];
    superuserUrl: string;
  }
}

interface SharedStack {
  readonly stack: Promise<Stack>;
  users: number;
}

// Each project that needs servers evaluates this file again, in the same process: the
// stack hangs on the process, so that a run has one.
const SHARED = Symbol.for('leasehold.test.stack');
const shelf = globalThis as { [SHARED]?: SharedStack | undefined };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  const shared = (shelf[SHARED] ??= { stack: startStack({ durable: false, say }), users: 0 });
  shared.users += 1;
  const stack = await shared.stack;
  project.provide('etcdUrls', [...stack.etcdUrls]);
  project.provide('natsUrls', [...stack.natsUrls]);
  project.provide('superuserUrl', stack.superuserUrl);
  return async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    shelf[SHARED] = undefined;
    await stack.stop();
  };
}
