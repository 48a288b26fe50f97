import { errorText } from '../../src/error-text.ts';
import type { DevStack } from './stack.ts';
import { killedAfterTheEffect, killedBeforeTheEffect, parks, race, tally } from './show-scenes.ts';
import { Stage } from './show-stage.ts';
import type { ShowOptions } from './show-stage.ts';

/**
 * Shows the main job on the real stack: agents race, holders are killed inside their effects, and
 * the ledger counts what it was really sent.
 *
 * @returns what was not as it should be; empty when every effect was counted once
 * @throws the reason of `options.stop` when it was broken off
 */
export async function runShow(dev: DevStack, options: ShowOptions): Promise<string[]> {
  const stage = await Stage.open(dev, options);
  const { stop } = options;
  const stopped = new Promise<never>((_, reject) => {
    const end = (): void => reject(stop.reason as Error);
    if (stop.aborted) end();
    else stop.addEventListener('abort', end, { once: true });
  });
  try {
    await Promise.race([play(stage), stopped]);
  } catch (error) {
    if (stop.aborted) throw error;
    stage.faults.push(errorText(error));
  } finally {
    await stage.close();
  }
  return stage.faults;
}

async function play(stage: Stage): Promise<void> {
  const refund = `refund-${stage.run}-1`;
  await parks(stage, refund);
  await race(stage, refund);
  await killedBeforeTheEffect(stage, `refund-${stage.run}-2`);
  await killedAfterTheEffect(stage, `payout-${stage.run}-3`);
  await tally(stage);
}
