import type { Check } from '../check.ts';

/**
 * Guarantee 7: no wall clock in safety. A log shows little about clocks, only that expiry, the one
 * thing that a wall clock decides, concerns only requests that were not admitted. The rest of the
 * proof is that the other guarantees hold while clocks jump: the simulation and the chaos runs make
 * them jump.
 */
export const CLOCKS: readonly Check[] = [
  {
    name: 'expired-ran-nothing',
    guarantee: 7,
    severity: 'breach',
    states: 'a request that is recorded as expired has no rows',
    of: 'expired requests',
    needs: [],
    look({ evidence: { rows, receipts } }, report) {
      let expired = 0;
      for (const { requestId, receipt } of receipts) {
        if (receipt.outcome !== 'expired') continue;
        expired += 1;
        const ran = rows.filter((row) => row.requestId === requestId).map(({ seq }) => seq);
        if (ran.length > 0) report(ran, `request ${requestId} is recorded as expired but has rows`);
      }
      return expired;
    },
  },
];
