import { goOn } from './events.ts';
import type { Progress } from './events.ts';
import { Histogram } from './histogram.ts';
import type { BenchOptions } from './options.ts';
import { Requests } from './requests.ts';
import { LONG } from './runbooks.ts';
import type { Stage } from './stage.ts';

/** How many advances at either end are measured. */
const MEASURED = 500;
/** In between, so many cells by one request. */
const AT_ONCE = 250;

/**
 * What an advance costs while its instance grows to 10,000 rows: the first 1,000 against the last.
 */
export async function measureLongInstance(
  stage: Stage,
  _options: BenchOptions,
  progress: Progress,
): Promise<void> {
  const crew = await stage.crew('long-instance');
  await crew.start(1);
  const requests = await Requests.connect(
    { natsUrls: [stage.servers.nats.url], namespace: crew.namespace },
    1,
  );
  const cells = LONG.cells - 1;
  let asked = 0;
  const advance = async (maxCells: number): Promise<void> => {
    const result = await requests.advance(0, 'long', `long-r${(asked += 1)}`, 'advanced', maxCells);
    if (result.kind === 'wrong') throw new Error(result.why);
  };
  const measure = async (subject: string, fromRow: number): Promise<void> => {
    const toRow = fromRow + 2 * MEASURED;
    progress.note(`one instance, rows ${fromRow} to ${toRow}`);
    const latencies = new Histogram();
    for (let turn = 0; turn < MEASURED; turn += 1) {
      goOn(progress.stop);
      const askedMs = performance.now();
      await advance(1);
      latencies.record(performance.now() - askedMs);
    }
    progress.figure({
      part: 'rows',
      subject,
      at: { fromRow, toRow },
      values: { p50Ms: latencies.quantileMs(0.5), p99Ms: latencies.quantileMs(0.99) },
    });
  };
  try {
    await requests.start('long', LONG.runbookId);
    await measure('first_rows_of_an_instance', 0);
    const between = cells - 2 * MEASURED;
    for (let done = 0; done < between; done += AT_ONCE) {
      goOn(progress.stop);
      progress.note(`one instance, row ${2 * (MEASURED + done)}`);
      await advance(Math.min(AT_ONCE, between - done));
    }
    await measure('last_rows_of_an_instance', 2 * (cells - MEASURED));
  } finally {
    await requests.close();
  }
  await crew.stop();
}
