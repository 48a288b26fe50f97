import { expect, it, onTestFinished } from 'vitest';

import { locateServer } from '../../../tools/stack/locate.ts';
import { startNats } from '../../../tools/stack/nats-server.ts';
import { closeWorkspace, openWorkspace } from '../../../tools/stack/workspace.ts';
import { runEnqueueStorm } from '../../enqueue-storm/run.ts';
import { freshDatabase, serversForTests } from '../../harness/servers.ts';

/*
 * Enqueued requests while replicas and NATS die, checked by what the effects themselves have noted.
 * `npm run enqueue-storm` does the same with as many as are wanted.
 */

const SEED = Number(process.env['LEASEHOLD_TEST_ENQUEUE_SEED'] ?? 1);

function say(text: string): void {
  process.stderr.write(`seed ${SEED}: ${text}\n`);
}

it('are all settled after no replica was up and NATS was restarted', async () => {
  const workspace = await openWorkspace();
  onTestFinished(() => closeWorkspace(workspace));
  const nats = await startNats(await locateServer('nats'), workspace);
  onTestFinished(() => nats.stop());
  const result = await runEnqueueStorm({
    requests: 100,
    seed: SEED,
    servers: {
      ...serversForTests(),
      natsUrls: [nats.url],
      superuserUrl: await freshDatabase(),
    },
    async whileAllAreDown() {
      await nats.stop();
      await nats.restart();
    },
  });
  say(JSON.stringify(result));
  expect(result.problems).toEqual([]);
  expect(result.requests).toBe(100);
});

it('are each receipted once, and each effect happens once, while a replica is killed every second', async () => {
  const result = await runEnqueueStorm({
    requests: 200,
    seed: SEED + 1,
    servers: { ...serversForTests(), superuserUrl: await freshDatabase() },
    killEveryMs: 1_000,
    kills: 5,
  });
  say(JSON.stringify(result));
  expect(result.problems).toEqual([]);
  expect(result.requests).toBe(200);
  expect(result.kills).toBeGreaterThan(0);
});
