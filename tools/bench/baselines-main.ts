import { createBaselineTables, openBaseline } from './baselines/open.ts';
import type { BaselineAgents } from './baselines/open.ts';
import { DONE, warmedUpLoop } from './closed-loop.ts';
import type { LoopResult } from './closed-loop.ts';
import { serveOrders } from './orders.ts';
import type { BaselineOrders } from './ports.ts';
import type { Bus } from '../../src/bus/bus.ts';
import { connectBus } from '../../src/bus/nats.ts';
import { subjectRest, subjects } from '../../src/bus/subjects.ts';
import { errorText } from '../../src/error-text.ts';

/*
 * The baselines' own process, as lean as the one that asks the product: agents, each with a
 * connection and an instance of its own, in a closed loop. And once behind NATS, where a replica
 * would be: what any service costs that is asked over NATS and commits twice.
 */

let answering: { bus: Bus; opened: BaselineAgents } | undefined;

const book: BaselineOrders = {
  async prepare({ url }) {
    await createBaselineTables(url);
  },

  async answer({ url, target, agents, prefix }) {
    const opened = await openBaseline('floor', url, agents, prefix);
    const bus = await connectBus({ servers: [...target.natsUrls], name: 'bench-routed-floor' });
    answering = { bus, opened };
    const steps = new Map(opened.steps.map((step, agent) => [`${prefix}-${agent}`, step]));
    bus.subscribe(subjects(target.namespace).all('advance'), async (message) => {
      const step = steps.get(subjectRest(message.subject));
      try {
        if (step === undefined) throw new Error(`nobody steps ${message.subject}`);
        await step();
        message.reply({ outcome: 'advanced' });
      } catch (error) {
        message.reply({ error: errorText(error) });
      }
    });
    await bus.flush();
  },

  async stopAnswering() {
    await answering?.bus.close();
    await answering?.opened.close();
    answering = undefined;
  },

  async measure({ url, baseline, prefix, ...point }): Promise<LoopResult> {
    const opened = await openBaseline(baseline, url, point.agents, prefix);
    try {
      return await warmedUpLoop(point, async (agent) => {
        try {
          await opened.steps[agent]?.();
          return DONE;
        } catch (error) {
          return { kind: 'wrong', why: errorText(error) } as const;
        }
      });
    } finally {
      await opened.close();
    }
  },
};

serveOrders(book);
