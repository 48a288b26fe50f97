import { throwIfStopped } from './events.ts';
import type { Progress } from './events.ts';
import type { BenchOptions } from './options.ts';
import type { BenchStack } from './bench-stack.ts';
import { loadFigure, requireExpected } from './load.ts';

/** How many acquisitions are under way at once, and how many there are in all. */
const POINTS = [
  { atOnce: 1, count: 1_000 },
  { atOnce: 32, count: 10_000 },
  { atOnce: 512, count: 50_000 },
  { atOnce: 4_096, count: 100_000 },
];

/** How many leases per second one coordinator acquires, by how many are under way at once. */
export async function measureAcquisition(
  stack: BenchStack,
  { held }: BenchOptions,
  progress: Progress,
): Promise<void> {
  const leases = await stack.startLeaseWorker(
    'acquirer-00000000',
    'acquisition',
    10 * held + 300_000,
  );
  // As with the load: a new process runs code that is not compiled yet.
  progress.note('warming up');
  const warmUp = await leases.run('acquire', {
    prefix: 'run-in',
    count: Math.min(held, 50_000),
    atOnce: 512,
  });
  requireExpected('warm-up', warmUp);
  for (const { atOnce, count } of POINTS) {
    throwIfStopped(progress.stop);
    const instances = Math.min(held, count);
    progress.note(`acquiring ${instances} leases, ${atOnce} at once`);
    const result = await leases.run('acquire', { prefix: `a${atOnce}`, count: instances, atOnce });
    requireExpected(`acquiring, ${atOnce} at once`, result);
    progress.figure(
      loadFigure({ part: 'acquisition', subject: 'acquire', at: { atOnce } }, [result]),
    );
  }
  await leases.run('stop', null);
  await leases.kill();
}
