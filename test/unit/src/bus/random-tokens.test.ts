import { expect, it } from 'vitest';

import { RandomTokens } from '../../../../src/bus/random-tokens.ts';
import { RepeatedWarning } from '../../../../src/bus/repeated-warning.ts';

it('random tokens differ, within a connection and between two, and fit into a subject', () => {
  const [one, two] = [new RandomTokens(), new RandomTokens()];
  const tokens = Array.from({ length: 5_000 }, () => [one.next(), two.next()]).flat();
  expect(new Set(tokens).size).toBe(tokens.length);
  expect(tokens.filter((token) => !/^[A-Za-z0-9_-]{16}$/.test(token))).toEqual([]);
  // Every character varies in every place: there is no counter in it.
  for (let place = 0; place < 16; place += 1)
    expect(new Set(tokens.map((token) => token[place])).size).toBe(64);
});

it('a repeated warning is passed on every 10 seconds, with the number of the others', () => {
  let nowMs = 0;
  const said: string[] = [];
  const warning = new RepeatedWarning(
    (message) => said.push(message),
    () => nowMs,
  );
  for (let i = 0; i < 100; i += 1) warning.warn('a');
  nowMs = 9_999;
  warning.warn('b');
  nowMs = 10_000;
  warning.warn('c');
  expect(said).toEqual(['a', 'c (and 100 more since the last warning)']);
});
