import type { Check } from '../check.ts';

/**
 * Guarantee 7: no wall clock in safety. A log shows little of clocks; what shows is that expiry,
 * the one thing that a wall clock decides, concerns only requests that were not admitted. The other
 * guarantees, kept while clocks jump, are the rest of the proof: the simulation and the chaos runs
 * do that.
 */
export const CLOCKS: readonly Check[] = [
  {
    name: 'expired-ran-nothing',
    guarantee: 7,
    severity: 'breach',
    states: 'a request that is recorded as expired has no rows',
    of: 'expired requests',
    needs: [],
    look({ evidence: { rows, receipts } }, say) {
      let expired = 0;
      for (const { requestId, receipt } of receipts) {
        if (receipt.outcome !== 'expired') continue;
        expired += 1;
        const ran = rows.filter((row) => row.requestId === requestId).map(({ seq }) => seq);
        if (ran.length > 0) say(ran, `request ${requestId} is recorded as expired, and has rows`);
      }
      return expired;
    },
  },
];
