import { describe, expect, it } from 'vitest';

import { Batches, type BatchOptions } from '../../../src/batches.ts';

/** A batcher whose batches are answered one by one, by hand. */
function batcher(options: Partial<BatchOptions<string>> = {}) {
  const sent: { items: string[]; answer: (answers: (string | Promise<string>)[]) => void }[] = [];
  const batches = new Batches<string, string>(
    { maxItems: 3, maxInFlight: 1, ...options },
    (items) => new Promise((answer) => sent.push({ items, answer })),
  );
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { batches, sent, turn };
}

describe('batches', () => {
  it('send what is queued in one turn together, and the rest when a batch has been answered', async () => {
    const { batches, sent, turn } = batcher();
    const answers = Promise.all(['a', 'b', 'c', 'd'].map((item) => batches.add(item)));
    await turn();
    expect(sent.map(({ items }) => items)).toEqual([['a', 'b', 'c']]);
    sent[0]!.answer(['A', 'B', 'C']);
    await turn();
    expect(sent.map(({ items }) => items)).toEqual([['a', 'b', 'c'], ['d']]);
    sent[1]!.answer(['D']);
    expect(await answers).toEqual(['A', 'B', 'C', 'D']);
  });

  it('leave an item that may not join for a later batch, in order', async () => {
    const admission = (): ((item: string) => boolean) => {
      const seen = new Set<string>();
      return (item) => !seen.has(item) && seen.add(item).size > 0;
    };
    const { batches, sent, turn } = batcher({ admission });
    for (const item of ['a', 'a', 'b', 'c', 'd', 'a']) void batches.add(item);
    for (let nth = 0; nth < 3; nth += 1) {
      await turn();
      sent[nth]!.answer([]);
    }
    expect(sent.map(({ items }) => items)).toEqual([['a', 'b', 'c'], ['a', 'd'], ['a']]);
  });

  it('are done although one of their answers comes later, or never', async () => {
    const { batches, sent, turn } = batcher();
    const late = batches.add('late');
    const refused = batches.add('refused');
    await turn();
    sent[0]!.answer([new Promise(() => undefined), Promise.reject(new Error('no'))]);
    await expect(refused).rejects.toThrow('no');
    const next = batches.add('next');
    await turn();
    sent[1]!.answer(['done']);
    expect(await Promise.race([late, next])).toBe('done');
  });

  it('answer what is queued at once when sending is known to fail, and go on after that', async () => {
    const { batches, sent, turn } = batcher();
    const first = batches.add('first');
    await turn();
    const queued = batches.add('queued');
    batches.failQueued((item) => `${item} failed`);
    expect(await queued).toBe('queued failed');
    sent[0]!.answer(['sent']);
    expect(await first).toBe('sent');
  });
});
