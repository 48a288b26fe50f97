import type { FailureCode } from './failure.ts';
import type { Outcome } from '../src/request/receipt.ts';

/** Exit codes. Scripts depend on the numbers. */
export const EXIT = {
  done: 0,
  failure: 1,
  invalid: 2,
  refused: 3,
  halted: 4,
  unavailable: 5,
} as const;

/** The exit code of a receipt. */
export function exitCodeOfOutcome(outcome: Outcome): number {
  switch (outcome) {
    case 'completed':
    case 'advanced':
    case 'parked':
      return EXIT.done;
    case 'invalid':
      return EXIT.invalid;
    case 'in_flight':
    case 'out_of_order':
    case 'not_found':
    case 'expired':
      return EXIT.refused;
    case 'in_doubt':
    case 'halted':
    case 'cancelled':
      return EXIT.halted;
    case 'unavailable':
      return EXIT.unavailable;
  }
}

/** The exit code of an error, which `--json` prints with the same code. */
export function exitCodeOfError(code: FailureCode): number {
  switch (code) {
    case 'failure':
      return EXIT.failure;
    case 'invalid':
      return EXIT.invalid;
    case 'not_found':
    case 'conflict':
    case 'expired':
      return EXIT.refused;
    case 'unavailable':
      return EXIT.unavailable;
  }
}
