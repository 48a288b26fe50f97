import { describe, expect, it } from 'vitest';

import { exitCodeOfError, exitCodeOfOutcome } from '../../../cli/exit-code.ts';
import { RECORDED_OUTCOMES, REFUSED_OUTCOMES } from '../../../src/request/receipt.ts';

describe('exit codes', () => {
  it('are those of the contract for every outcome', () => {
    const codes = Object.fromEntries(
      [...RECORDED_OUTCOMES, ...REFUSED_OUTCOMES].map((outcome) => [
        outcome,
        exitCodeOfOutcome(outcome),
      ]),
    );
    expect(codes).toEqual({
      completed: 0,
      advanced: 0,
      parked: 0,
      invalid: 2,
      in_flight: 3,
      out_of_order: 3,
      not_found: 3,
      expired: 3,
      in_doubt: 4,
      halted: 4,
      cancelled: 4,
      unavailable: 5,
    });
  });

  it('are those of the contract for every error', () => {
    const codes = (['invalid', 'not_found', 'conflict', 'expired', 'unavailable'] as const).map(
      exitCodeOfError,
    );
    expect(codes).toEqual([2, 3, 3, 3, 5]);
  });
});
