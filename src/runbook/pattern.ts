import { createRequire } from 'node:module';

import type * as re2js from 're2js';
import type { RE2JS } from 're2js';

/** The longest expression, in characters. */
const MAX_CHARACTERS = 1_000;

/** The largest program that an expression may compile to, in instructions. */
const MAX_INSTRUCTIONS = 2_000;

/**
 * How many steps the matches of one evaluation may take: less than two seconds on a slow machine,
 * and usually far less than that, since most expressions take one step per character.
 */
const MAX_STEPS = 20_000_000;

/** At most this many compiled expressions are kept; the least recently used goes first. */
const MAX_KEPT = 500;

const kept = new Map<string, RE2JS>();

const require = createRequire(import.meta.url);

/** Loaded at the first use: most runbooks have no expression, and most commands read no runbook. */
function engine(): typeof re2js {
  return require('re2js') as typeof re2js;
}

/** A text is too long for the expression that is looked for in it. */
export class TextTooLong extends Error {
  override readonly name = 'TextTooLong';
}

/** Bounds the time of all matches of one evaluation together: agents choose the texts. */
export class MatchBudget {
  #steps = MAX_STEPS;

  /** @throws TextTooLong when all matches together take too long */
  spend(steps: number): void {
    this.#steps -= steps;
    if (this.#steps < 0) throw new TextTooLong('is too long for its regular expression');
  }
}

/** What is wrong with a regular expression; undefined if it can be used. */
export function patternFault(pattern: string): string | undefined {
  if (pattern.length > MAX_CHARACTERS)
    return `is longer than the ${MAX_CHARACTERS} characters that a regular expression may have`;
  try {
    if (compiled(pattern).programSize() <= MAX_INSTRUCTIONS) return undefined;
    return 'is too large for a regular expression: use fewer or smaller repetitions';
  } catch (error) {
    if (!(error instanceof engine().RE2JSException)) throw error;
    const why = error.message.replace(/^error parsing regexp: /, '');
    return `is not a regular expression in RE2 syntax: ${why}`;
  }
}

/**
 * Whether a regular expression finds a match anywhere in the text. It takes time linear in the
 * text.
 *
 * @param pattern one without a {@link patternFault}
 * @throws TextTooLong when the budget does not suffice
 */
export function findsMatch(pattern: string, text: string, budget: MatchBudget): boolean {
  const expression = compiled(pattern);
  // At worst, each character is held against each instruction.
  budget.spend(expression.programSize() * text.length);
  return expression.test(text);
}

function compiled(pattern: string): RE2JS {
  const expression = kept.get(pattern) ?? engine().RE2JS.compile(pattern);
  kept.delete(pattern);
  kept.set(pattern, expression);
  if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value!);
  return expression;
}
