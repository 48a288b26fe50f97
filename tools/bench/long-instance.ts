import { throwIfStopped } from './events.ts';
import type { Progress } from './events.ts';
import { Histogram } from './histogram.ts';
import type { BenchOptions } from './options.ts';
import { Requests } from './requests.ts';
import { LONG } from './runbooks.ts';
import type { BenchStack } from './bench-stack.ts';

/** How many advances are measured at either end; each writes two rows. */
const MEASURED = 500;
/** How many cells one request advances in between. */
const CELLS_PER_REQUEST = 250;

/**
 * What an advance costs as its instance grows to 10,000 rows: the first 1,000 rows compared with
 * the last 1,000.
 */
export async function measureLongInstance(
  stack: BenchStack,
  _options: BenchOptions,
  progress: Progress,
): Promise<void> {
  const pool = await stack.createPool('long-instance');
  await pool.start(1);
  const requests = await Requests.connect(
    { natsUrls: [stack.servers.nats.url], namespace: pool.namespace },
    1,
  );
  const cells = LONG.cells - 1;
  let sent = 0;
  const advance = async (maxCells: number): Promise<void> => {
    const result = await requests.advance({
      agent: 0,
      instanceId: 'long',
      requestId: `long-r${(sent += 1)}`,
      expected: 'advanced',
      maxCells,
    });
    if (result.kind === 'unexpected') throw new Error(result.why);
  };
  const measure = async (subject: string, fromRow: number): Promise<void> => {
    const toRow = fromRow + 2 * MEASURED;
    progress.note(`one instance, rows ${fromRow} to ${toRow}`);
    const latencies = new Histogram();
    for (let turn = 0; turn < MEASURED; turn += 1) {
      throwIfStopped(progress.stop);
      const sentMs = performance.now();
      await advance(1);
      latencies.record(performance.now() - sentMs);
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
    for (let done = 0; done < between; done += CELLS_PER_REQUEST) {
      throwIfStopped(progress.stop);
      progress.note(`one instance, row ${2 * (MEASURED + done)}`);
      await advance(Math.min(CELLS_PER_REQUEST, between - done));
    }
    await measure('last_rows_of_an_instance', 2 * (cells - MEASURED));
  } finally {
    await requests.close();
  }
  await pool.stop();
}
