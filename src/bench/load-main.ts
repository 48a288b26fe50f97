import { closedLoop } from './closed-loop.ts';
import type { LoopResult } from './closed-loop.ts';
import type { LoadOrders, LoadPoint, LoadTarget } from './load-orders.ts';
import { serveOrders } from './orders.ts';
import { Requests } from './requests.ts';
import { FreshStock, HeldStock, operationsFor } from './stock.ts';
import type { Stock } from './stock.ts';

/*
 * The load's own process: agents that ask, one request at a time each. It is kept lean, because it shares the machine
 * with what it measures.
 */

/** Enough to find out how fast it goes, before the warm-up proper. */
const FIRST_OPERATIONS = 400;

let target: LoadTarget | undefined;

async function measure(
  point: LoadPoint,
  stockOf: (requests: Requests, point: LoadPoint) => Stock,
): Promise<LoopResult> {
  if (target === undefined) throw new Error('connect comes first');
  const requests = await Requests.connect(target, point.agents);
  try {
    const { agents, warmUpMs, durationMs } = point;
    const stock = stockOf(requests, point);
    const step = (agent: number) => stock.step(agent);
    await stock.fill(FIRST_OPERATIONS + 4 * agents);
    let seen = await closedLoop(agents, warmUpMs / 2, step);
    await stock.fill(operationsFor(seen, warmUpMs));
    seen = await closedLoop(agents, warmUpMs, step);
    if (seen.firstWrong !== undefined) return seen;
    await stock.fill(operationsFor(seen, durationMs));
    return await closedLoop(agents, durationMs, step);
  } finally {
    await requests.close();
  }
}

const book: LoadOrders = {
  connect(given) {
    target = given;
    return Promise.resolve();
  },
  held: (given) => measure(given, (requests, { prefix, agents }) => new HeldStock(requests, prefix, agents)),
  fresh: (given) => measure(given, (requests, { prefix }) => new FreshStock(requests, prefix)),
};

serveOrders(book);
