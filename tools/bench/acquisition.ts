import { goOn } from './events.ts';
import type { Progress } from './events.ts';
import type { BenchOptions } from './options.ts';
import type { Stage } from './stage.ts';
import { loadFigure, sound } from './sweep.ts';

/** How many acquisitions are under way at once, and of how many instances. */
const POINTS = [
  { atOnce: 1, count: 1_000 },
  { atOnce: 32, count: 10_000 },
  { atOnce: 512, count: 50_000 },
  { atOnce: 4_096, count: 100_000 },
];

/** How many leases a second one coordinator gets, by how many it is asked for at once. */
export async function measureAcquisition(
  stage: Stage,
  { held }: BenchOptions,
  progress: Progress,
): Promise<void> {
  const leases = await stage.leases('acquirer-00000000', 'acquisition', 10 * held + 300_000);
  // As with the load: code that is not compiled yet is not what a replica runs on.
  progress.note('running in');
  const runIn = await leases.ask('acquire', {
    prefix: 'run-in',
    count: Math.min(held, 50_000),
    atOnce: 512,
  });
  sound('running in', runIn);
  for (const { atOnce, count } of POINTS) {
    goOn(progress.stop);
    const instances = Math.min(held, count);
    progress.note(`acquiring ${instances} leases, ${atOnce} at once`);
    const result = await leases.ask('acquire', { prefix: `a${atOnce}`, count: instances, atOnce });
    sound(`acquiring, ${atOnce} at once`, result);
    progress.figure(
      loadFigure({ part: 'acquisition', subject: 'acquire', at: { atOnce } }, [result]),
    );
  }
  await leases.ask('stop', null);
  await leases.kill();
}
