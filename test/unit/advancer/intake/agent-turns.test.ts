import { describe, expect, it } from 'vitest';

import { AgentTurns } from '../../../../advancer/intake/agent-turns.ts';
import { settled } from '../../coordinator/hand-clock.ts';

/** Works that end when the test says so. */
class Works {
  readonly started: string[] = [];
  readonly #end = new Map<string, () => void>();

  run(name: string): () => Promise<void> {
    return () => {
      this.started.push(name);
      return new Promise((resolve) => this.#end.set(name, resolve));
    };
  }

  async end(name: string): Promise<void> {
    this.#end.get(name)?.();
    await settled();
  }
}

describe('agents take turns', () => {
  it('so an agent that floods delays another by no more than what is under way', async () => {
    const works = new Works();
    const turns = new AgentTurns({ perAgent: 2, bytesAtOnce: Number.POSITIVE_INFINITY });
    for (let nth = 0; nth < 1_000; nth += 1) turns.add('flood', 1, works.run(`f${nth}`));
    turns.add('honest', 1, works.run('h'));
    expect(works.started).toEqual(['f0', 'f1', 'h']);
    expect(turns.waiting).toBe(998);
    await works.end('f0');
    expect(works.started.at(-1)).toBe('f2');
  });

  it('one work each, while the bytes under way are bounded', async () => {
    const works = new Works();
    const turns = new AgentTurns({ perAgent: 10, bytesAtOnce: 100 });
    for (const name of ['a1', 'a2', 'a3']) turns.add('a', 60, works.run(name));
    for (const name of ['b1', 'b2']) turns.add('b', 60, works.run(name));
    expect(works.started).toEqual(['a1']);
    for (const [ended, next] of [
      ['a1', 'a2'],
      ['a2', 'b1'],
      ['b1', 'a3'],
      ['a3', 'b2'],
    ] as const) {
      await works.end(ended);
      expect(works.started.at(-1)).toBe(next);
    }
    // A single one may be larger than the bound.
    await works.end('b2');
    turns.add('c', 1_000, works.run('c'));
    expect(works.started.at(-1)).toBe('c');
  });

  it('and leave time for what arrives between two works that begin with a computation', async () => {
    const works = new Works();
    const deferred: (() => void)[] = [];
    const defer = (goOn: () => void): void => void deferred.push(goOn);
    const turns = new AgentTurns({ perAgent: 10, bytesAtOnce: 1_000, defer });
    for (const name of ['a1', 'a2']) turns.add('a', 1, works.run(name));
    await settled();
    expect(works.started).toEqual(['a1']);
    turns.add('b', 1, works.run('b1'));
    deferred.shift()?.();
    // b came later than a2, and its turn comes first only if a had its own already.
    expect(works.started).toEqual(['a1', 'a2']);
    deferred.shift()?.();
    expect(works.started).toEqual(['a1', 'a2', 'b1']);
  });
});
