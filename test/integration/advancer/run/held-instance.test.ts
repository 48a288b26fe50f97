import { beforeAll, expect, it } from 'vitest';

import type { AdvanceRequest } from '../../../../advancer/run/active-request.ts';
import { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import { over } from '../../../harness/controls.ts';
import { holderContext, holdingOf } from '../../../harness/holder.ts';
import { freshId, log, logDatabase, type LogDatabase } from '../log/fixture.ts';

let database: LogDatabase;
beforeAll(async () => {
  database = await logDatabase();
});

it('no request is refused as in flight because of one whose receipt is in the log, even if its holder has not read that', async () => {
  const [real, elsewhere] = [log(database), log(database)];
  await real.pushRunbook({
    runbook: 'two-steps',
    version: 1,
    inputs: [],
    cells: [
      { id: 'a', exec: { handler: 'step' } },
      { id: 'b', exec: { handler: 'step' } },
    ],
  });
  const [instanceId, first, second] = [freshId(), freshId('q'), freshId('q')];
  await real.startInstance({
    instanceId,
    runbookId: 'two-steps',
    version: 1,
    inputs: {},
    agentId: 'tester',
  });

  let releaseAppend = (): void => undefined;
  const appendReleased = new Promise<void>((resolve) => (releaseAppend = resolve));
  let receiptRead = (): void => undefined;
  const firstReceiptRead = new Promise<void>((resolve) => (receiptRead = resolve));
  const slow = over(real, {
    async append(entry) {
      const outcome = await real.append(entry);
      if (entry.receipt?.requestId === first) await appendReleased;
      return outcome;
    },
    async receipt(requestId) {
      const receipt = await real.receipt(requestId);
      if (requestId === first && receipt !== undefined) receiptRead();
      return receipt;
    },
  });
  const context = holderContext('holder-00000001', slow, { step: () => Promise.resolve({}) });
  const held = new HeldInstance(context, holdingOf(instanceId, 10));
  const request = (requestId: string): AdvanceRequest => ({
    instanceId,
    requestId,
    agentId: 'tester',
    maxCells: 1,
    wait: false,
    expiresAtMs: Date.now() + 60_000,
  });

  const firstHandled = held.advance(request(first));
  // From here on another replica would answer the agent, which then requests the next cell.
  await expect.poll(() => elsewhere.receipt(first)).toMatchObject({ outcome: 'advanced' });
  const secondHandled = held.advance(request(second));
  await Promise.race([secondHandled, firstReceiptRead]);
  releaseAppend();
  expect(await secondHandled).toMatchObject({
    kind: 'receipt',
    receipt: { outcome: 'completed', steps: [{ cellId: 'b' }, { cellId: 'b' }] },
  });
  expect(await firstHandled).toMatchObject({ kind: 'receipt', receipt: { outcome: 'advanced' } });
});
