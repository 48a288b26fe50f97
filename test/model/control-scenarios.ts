import { RETRIED, scenario } from './scenario.ts';

/* The worlds in which the controls show. */

export const lapse = scenario('one lapse', { lapses: 1 });
export const lapseAndTakeOver = scenario('a lapse and a take-over', { lapses: 1, takeOvers: 1 });
export const lapseAndDrain = scenario('a lapse and a drain', { lapses: 1, drains: 1 });
export const lostAnswer = scenario('a lapse and a lost answer', { lapses: 1, lostAnswers: 1 });
export const takeOver = scenario('a take-over', { takeOvers: 1 });
export const takeOverAndLostAnswer = scenario('a take-over and a lost answer', {
  takeOvers: 1,
  lostAnswers: 1,
});
export const retried = scenario(
  'a take-over, a cell that is retried',
  { takeOvers: 1 },
  { ...RETRIED },
);
export const decidedTwice = scenario(
  'two doubts about one cell, two decisions',
  { unknowns: 2, decisions: 2 },
  { requests: 2 },
);
export const doubted = scenario(
  'a doubt, a decision and a take-over',
  { unknowns: 1, takeOvers: 1, decisions: 1 },
  { requests: 2 },
);
