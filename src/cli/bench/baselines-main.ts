import { createBaselineTables, openBaseline } from '../../../advancer/log/baselines/open.ts';
import { closedLoop, DONE } from '../../bench/closed-loop.ts';
import type { LoopResult } from '../../bench/closed-loop.ts';
import { serveOrders } from '../../bench/orders.ts';
import type { BaselineOrders } from '../../bench/ports.ts';

/*
 * The baselines' own process, as lean as the one that asks the product: agents, each with a connection and an instance
 * of its own, in a closed loop.
 */

const book: BaselineOrders = {
  async prepare({ url }) {
    await createBaselineTables(url);
  },

  async measure({ url, baseline, agents, prefix, warmUpMs, leadInMs, durationMs }): Promise<LoopResult> {
    const opened = await openBaseline(baseline, url, agents, prefix);
    try {
      const step = async (agent: number) => {
        try {
          await opened.steps[agent]?.();
          return DONE;
        } catch (error) {
          return { kind: 'wrong', why: error instanceof Error ? error.message : String(error) } as const;
        }
      };
      await closedLoop(agents, warmUpMs, step);
      return await closedLoop(agents, durationMs, step, leadInMs);
    } finally {
      await opened.close();
    }
  },
};

serveOrders(book);
