import { closedLoop, warmedUpLoop } from './closed-loop.ts';
import type { LoopResult } from './closed-loop.ts';
import type {
  LoadOrders,
  LoadPoint,
  LoadTarget,
  SteadyPoint,
  SteadyResult,
} from './load-orders.ts';
import { natsTraffic } from './nats-traffic.ts';
import { openLoop } from './open-loop.ts';
import { serveOrders } from './orders.ts';
import { Requests } from './requests.ts';
import { FreshStock, HeldStock, operationsFor } from './stock.ts';
import type { Stock } from './stock.ts';

/*
 * The load's own process: agents that ask, one request at a time each. It is kept lean, because it
 * shares the machine with what it measures.
 */

/** Of each agent: enough to find out how fast it goes, before the warm-up proper. */
const FIRST_OPERATIONS = 16;
/**
 * Each on an instance of its own: enough for 1,000 requests a second that take a quarter of a
 * second each.
 */
const STEADY_AGENTS = 256;

let target: LoadTarget | undefined;

/** Connects as many as there are agents, for as long as `use` runs. */
async function connected<T>(
  agents: number,
  use: (requests: Requests) => Promise<T>,
  to: LoadTarget | undefined = target,
): Promise<T> {
  if (to === undefined) throw new Error('connect comes first');
  const requests = await Requests.connect(to, agents);
  try {
    return await use(requests);
  } finally {
    await requests.close();
  }
}

/** Warms up, prepares what the rate that was seen will use up, and measures. */
async function measure(
  { agents, warmUpMs, leadInMs, durationMs }: LoadPoint,
  stock: Stock,
): Promise<LoopResult> {
  const step = (agent: number) => stock.step(agent);
  await stock.fill(FIRST_OPERATIONS * agents);
  let seen = await closedLoop(agents, warmUpMs / 2, step);
  await stock.fill(operationsFor(seen, warmUpMs));
  seen = await closedLoop(agents, warmUpMs, step);
  if (seen.firstWrong !== undefined) return seen;
  await stock.fill(operationsFor(seen, leadInMs + durationMs));
  return closedLoop(agents, durationMs, step, leadInMs);
}

/** What nobody has to prepare: an agent's instance never ends. */
function routed(point: LoadPoint, requests: Requests): Promise<LoopResult> {
  let asked = 0;
  return warmedUpLoop(point, (agent) => {
    const instanceId = `${point.prefix}-${agent}`;
    return requests.advance(agent, instanceId, `${instanceId}-r${++asked}`, 'advanced');
  });
}

async function steady(point: SteadyPoint, stock: Stock): Promise<SteadyResult> {
  const { perS, warmUpMs, durationMs, monitorUrl } = point;
  const step = (agent: number) => stock.step(agent);
  await stock.fill(operationsFor({ operations: perS, elapsedMs: 1_000 }, warmUpMs + durationMs));
  await openLoop(STEADY_AGENTS, perS, warmUpMs, step);
  const before = await natsTraffic(monitorUrl);
  const result = await openLoop(STEADY_AGENTS, perS, durationMs, step);
  const after = await natsTraffic(monitorUrl);
  const traffic = {
    published: after.published - before.published,
    delivered: after.delivered - before.delivered,
  };
  return { ...result, traffic };
}

const book: LoadOrders = {
  connect(given) {
    target = given;
    return Promise.resolve();
  },
  held: (given) =>
    connected(given.agents, (requests) =>
      measure(given, new HeldStock(requests, given.prefix, given.agents)),
    ),
  fresh: (given) =>
    connected(given.agents, (requests) => measure(given, new FreshStock(requests, given.prefix))),
  routed: (given) => connected(given.agents, (requests) => routed(given, requests), given.target),
  steady: (given) =>
    connected(STEADY_AGENTS, (requests) =>
      steady(given, new HeldStock(requests, given.prefix, STEADY_AGENTS)),
    ),
};

serveOrders(book);
