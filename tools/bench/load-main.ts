import { closedLoop, warmedUpLoop } from './closed-loop.ts';
import type { LoopResult } from './closed-loop.ts';
import type { LoadJobs, LoadPoint, LoadTarget, SteadyPoint, SteadyResult } from './load-jobs.ts';
import { natsTraffic } from './nats-traffic.ts';
import { openLoop } from './open-loop.ts';
import { serveJobs } from './jobs.ts';
import { Requests } from './requests.ts';
import { FreshInstances, HeldInstances, operationsFor } from './prepared-instances.ts';
import type { PreparedInstances } from './prepared-instances.ts';

/*
 * The load generator's process: agents, each with one request under way at a time. It does as
 * little as possible, because it shares the machine with what it measures.
 */

/** For each agent: enough to estimate the rate before the warm-up proper. */
const FIRST_OPERATIONS = 16;
/**
 * Each on a separate instance: enough for 1,000 requests per second that take a quarter of a second
 * each.
 */
const STEADY_AGENTS = 256;

let target: LoadTarget | undefined;

/** Connects the agents for as long as `use` runs. */
async function connected<T>(
  agents: number,
  use: (requests: Requests) => Promise<T>,
  to: LoadTarget | undefined = target,
): Promise<T> {
  if (to === undefined) throw new Error('the connect job must come first');
  const requests = await Requests.connect(to, agents);
  try {
    return await use(requests);
  } finally {
    await requests.close();
  }
}

/** Warms up, prepares as many instances as the rate seen so far will consume, and measures. */
async function measure(
  { agents, warmUpMs, leadInMs, durationMs }: LoadPoint,
  instances: PreparedInstances,
): Promise<LoopResult> {
  const step = (agent: number) => instances.step(agent);
  await instances.prepare(FIRST_OPERATIONS * agents);
  let seen = await closedLoop({ agents, durationMs: warmUpMs / 2 }, step);
  await instances.prepare(operationsFor(seen, warmUpMs));
  seen = await closedLoop({ agents, durationMs: warmUpMs }, step);
  if (seen.firstUnexpected !== undefined) return seen;
  await instances.prepare(operationsFor(seen, leadInMs + durationMs));
  return closedLoop({ agents, durationMs, leadInMs }, step);
}

/** Needs no preparation: an agent's instance never ends. */
function routed(point: LoadPoint, requests: Requests): Promise<LoopResult> {
  let sent = 0;
  return warmedUpLoop(point, (agent) => {
    const instanceId = `${point.prefix}-${agent}`;
    const requestId = `${instanceId}-r${++sent}`;
    return requests.advance({ agent, instanceId, requestId, expected: 'advanced' });
  });
}

async function steady(point: SteadyPoint, instances: PreparedInstances): Promise<SteadyResult> {
  const { perS, warmUpMs, durationMs, monitorUrl } = point;
  const step = (agent: number) => instances.step(agent);
  const agents = STEADY_AGENTS;
  const operations = { operations: perS, elapsedMs: 1_000 };
  await instances.prepare(operationsFor(operations, warmUpMs + durationMs));
  await openLoop({ agents, perS, durationMs: warmUpMs }, step);
  const before = await natsTraffic(monitorUrl);
  const result = await openLoop({ agents, perS, durationMs }, step);
  const after = await natsTraffic(monitorUrl);
  const traffic = {
    published: after.published - before.published,
    delivered: after.delivered - before.delivered,
  };
  return { ...result, traffic };
}

const jobs: LoadJobs = {
  connect(input) {
    target = input;
    return Promise.resolve();
  },
  held: (input) =>
    connected(input.agents, (requests) =>
      measure(input, new HeldInstances(requests, input.prefix, input.agents)),
    ),
  fresh: (input) =>
    connected(input.agents, (requests) =>
      measure(input, new FreshInstances(requests, input.prefix)),
    ),
  routed: (input) => connected(input.agents, (requests) => routed(input, requests), input.target),
  steady: (input) =>
    connected(STEADY_AGENTS, (requests) =>
      steady(input, new HeldInstances(requests, input.prefix, STEADY_AGENTS)),
    ),
};

serveJobs(jobs);
