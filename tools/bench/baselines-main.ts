import type { Bus } from '../../src/bus/bus.ts';
import { connectBus } from '../../src/bus/nats.ts';
import { subjectRest, subjects } from '../../src/bus/subjects.ts';
import { errorText } from '../../src/error-text.ts';
import type { BaselineJobs } from './baseline-jobs.ts';
import { createBaselineTables, openBaseline } from './baselines/open.ts';
import type { BaselineAgents } from './baselines/open.ts';
import { DONE, warmedUpLoop } from './closed-loop.ts';
import { serveJobs } from './jobs.ts';

/*
 * The baselines' process: agents in a closed loop, each with its own connection and instance. It
 * does as little as possible, like the load generator. For `routed_floor` it stands where a replica
 * would, behind NATS: what any service costs that takes requests over NATS and commits twice.
 */

let answering: { bus: Bus; opened: BaselineAgents } | undefined;

const jobs: BaselineJobs = {
  async prepare({ url }) {
    await createBaselineTables(url);
  },

  async answer({ url, target, agents, prefix }) {
    const opened = await openBaseline({ name: 'floor', url, agents, prefix });
    const bus = await connectBus({ servers: [...target.natsUrls], name: 'bench-routed-floor' });
    answering = { bus, opened };
    const steps = new Map(opened.steps.map((step, agent) => [`${prefix}-${agent}`, step]));
    bus.subscribe(subjects(target.namespace).all('advance'), async (message) => {
      const step = steps.get(subjectRest(message.subject));
      try {
        if (step === undefined) throw new Error(`no agent has the instance of ${message.subject}`);
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

  async measure({ url, baseline, prefix, ...point }) {
    const opened = await openBaseline({ name: baseline, url, agents: point.agents, prefix });
    try {
      return await warmedUpLoop(point, async (agent) => {
        try {
          await opened.steps[agent]?.();
          return DONE;
        } catch (error) {
          return { kind: 'unexpected', why: errorText(error) } as const;
        }
      });
    } finally {
      await opened.close();
    }
  },
};

serveJobs(jobs);
