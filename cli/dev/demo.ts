import { errorText } from '../../src/error-text.ts';
import { DemoRun } from './demo-run.ts';
import type { DemoOptions } from './demo-run.ts';
import {
  countEffects,
  killAfterEffect,
  killBeforeEffect,
  raceAgents,
  waitForApproval,
} from './demo-scenarios.ts';
import type { DevStack } from './stack.ts';

/**
 * Runs the demo on a real stack: two agents race, holders are killed in the middle of an effect,
 * and the ledger counts the effects that it received.
 *
 * @returns what went wrong; empty when every effect happened exactly once
 * @throws the reason of `options.stop` when that stops the demo
 */
export async function runDemo(dev: DevStack, options: DemoOptions): Promise<string[]> {
  const demo = await DemoRun.connect(dev, options);
  const { stop } = options;
  const stopped = new Promise<never>((_, reject) => {
    const end = (): void => reject(stop.reason as Error);
    if (stop.aborted) end();
    else stop.addEventListener('abort', end, { once: true });
  });
  try {
    await Promise.race([runScenarios(demo), stopped]);
  } catch (error) {
    if (stop.aborted) throw error;
    demo.problems.push(errorText(error));
  } finally {
    await demo.close();
  }
  return demo.problems;
}

async function runScenarios(demo: DemoRun): Promise<void> {
  const refund = `refund-${demo.suffix}-1`;
  await waitForApproval(demo, refund);
  await raceAgents(demo, refund);
  await killBeforeEffect(demo, `refund-${demo.suffix}-2`);
  await killAfterEffect(demo, `payout-${demo.suffix}-3`);
  await countEffects(demo);
}
