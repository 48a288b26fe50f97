import { expect, it } from 'vitest';

import { livesOf, randomLife } from '../../random-lives/life.ts';
import { runbookOf } from '../../random-lives/runbook-of.ts';
import { parseRunbookValue } from '../../../src/runbook/parse.ts';

const COUNT = 400;
const LIVES = livesOf(3, COUNT);

it('a seed gives the same lives again, and another seed gives others', () => {
  expect(randomLife(3, 17)).toEqual(LIVES[17]);
  expect(randomLife(4, 17)).not.toEqual(LIVES[17]);
});

it('the lives of a seed have every type of cell, both policies on failure, and races', () => {
  const types = new Set(LIVES.flatMap(({ cells }) => cells.map(({ type }) => type)));
  expect([...types].toSorted()).toEqual(['check', 'claim', 'deadline', 'effect', 'pause']);
  const cancels = LIVES.flatMap((life) => life.cancels);
  expect(new Set(cancels.map(({ undo }) => undo))).toEqual(new Set([true, false]));
  expect(LIVES.some((life) => life.cancels.length === 2)).toBe(true);
  expect(LIVES.some((life) => life.cancels.length === 0)).toBe(true);
  expect(new Set(LIVES.map(({ onHalt }) => onHalt))).toEqual(new Set(['hold', 'undo']));
});

it('every life has a runbook that can be pushed', () => {
  for (const life of LIVES) {
    const runbook = { runbook: life.instanceId, ...runbookOf(life) };
    expect(parseRunbookValue(runbook, `${life.instanceId}.json`)).toMatchObject({ ok: true });
  }
});
