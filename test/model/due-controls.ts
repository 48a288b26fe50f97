import type { Control } from './control.ts';
import { claimAndCrash, claimAndLostAnswer, decidedAndCrash } from './due-scenarios.ts';

/* The rules on work that nobody asks for, taken away one by one. */

/** Rules without which a guarantee breaks. */
export const DUE_NECESSARY: readonly Control[] = [
  {
    name: 'a line is written after the rows that it is derived from',
    without: { lineWithCommit: false },
    scenario: decidedAndCrash,
    breaks: '4 never stuck',
  },
  {
    name: 'a line that waits for a claim is written without reading the claim again',
    without: { lineReadsClaim: false },
    scenario: claimAndCrash,
    breaks: '4 never stuck',
  },
  {
    name: 'a claim is not noted for those who wait',
    without: { claimsAreNoted: false },
    scenario: claimAndCrash,
    breaks: '4 never stuck',
  },
  {
    name: 'a note is forgotten when somebody begins to act on it',
    without: { notesOutliveLooks: false },
    scenario: claimAndCrash,
    breaks: '4 never stuck',
  },
  {
    name: 'a request that nobody made leaves a receipt without a row',
    without: { derivedUnrecorded: false },
    scenario: claimAndCrash,
    breaks: '4 never stuck',
  },
];

/** Rules without which nothing breaks here. */
export const DUE_NOTHING_BREAKS: readonly Control[] = [
  {
    name: 'a line goes back to an older row',
    without: { lineNeverBack: false },
    scenario: claimAndLostAnswer,
    breaks: undefined,
  },
];
