import type { ErrorCode } from '../src/request/messages.ts';
import type { Outcome } from '../src/request/receipt.ts';

/** What the process's exit code says; scripts rely on the numbers. */
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
      return EXIT.halted;
    case 'unavailable':
      return EXIT.unavailable;
  }
}

/** The exit code of an error reply. */
export function exitCodeOfError(code: ErrorCode): number {
  switch (code) {
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
