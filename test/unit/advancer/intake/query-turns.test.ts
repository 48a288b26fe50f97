import { expect, it } from 'vitest';

import { QueryTurns } from '../../../../advancer/intake/query-turns.ts';
import { Quota } from '../../../../advancer/intake/quota.ts';
import type { BusMessage } from '../../../../src/bus/bus.ts';
import { DEFAULT_LIMITS } from '../../../../src/config/limits.ts';
import type { Json } from '../../../../src/json.ts';
import { RowsMessage } from '../../../../src/request/rows.ts';
import { HandClock, settled } from '../../coordinator/hand-clock.ts';

it('those who read the rows of one instance take turns, and hold up nobody else', async () => {
  const limits = { ...DEFAULT_LIMITS, queriesPerAgent: 1 };
  const ignore = (): void => undefined;
  const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const turns = new QueryTurns({
    quota: new Quota(limits),
    limits,
    agentIds: 'claimed',
    clock: new HandClock(),
    logger,
    count: ignore,
    logTrouble: ignore,
  });
  const underWay: { of: string; answer: (reply: Json) => void }[] = [];
  const query = {
    verb: 'rows',
    schema: RowsMessage,
    turnOf: ({ instanceId }: RowsMessage) => instanceId,
    answer: ({ instanceId = 'all' }: RowsMessage) =>
      new Promise<Json>((answer) => underWay.push({ of: instanceId, answer })),
  };
  const replies: Json[] = [];
  const ask = (body: object): void => {
    const message: BusMessage = {
      subject: 'leasehold.default.rows',
      data: new TextEncoder().encode(JSON.stringify(body)),
      wantsReply: true,
      account: { kind: 'none' },
      reply: (reply) => void replies.push(reply),
    };
    turns.take(message, 'rows', query);
  };
  for (const instanceId of ['a', 'a', 'b', undefined, undefined]) ask({ instanceId });
  ask({ limit: 0 });
  expect(underWay.map(({ of }) => of)).toEqual(['a', 'b', 'all']);
  expect(turns.waiting).toBe(2);
  expect(replies).toMatchObject([{ error: { code: 'invalid', field: 'limit' } }]);
  underWay[0]!.answer({ rows: [] });
  await settled();
  expect(underWay.map(({ of }) => of)).toEqual(['a', 'b', 'all', 'a']);
});
