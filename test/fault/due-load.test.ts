import { expect, it } from 'vitest';

import { runDueLoad } from '../due-load/run.ts';
import { watchMachine } from '../harness/busy.ts';

/** The full size is `npm run due-load`. */
const SMALL = { parked: 5_000, due: 60, schedules: 60, waiters: 500, replicas: 2, idleMs: 3_000 };

it('what waits costs nothing, and what becomes due begins soon and once', async (context) => {
  const machine = await watchMachine();
  const { idleWithout, idleWith, begunMs, ticks, wake } = await runDueLoad(SMALL);
  process.stderr.write(`${JSON.stringify({ idleWithout, idleWith, begunMs, ticks, wake })}\n`);
  expect(wake.notOnce).toBe(0);
  expect(ticks.notOnce).toBe(0);
  // Each replica asks a few short questions a second, whatever waits.
  expect(idleWith.transactionsPerS).toBeLessThan(3 * idleWithout.transactionsPerS + 10);
  machine.skipIfBusy(context);
  expect(begunMs.worst).toBeLessThan(3_000);
});
