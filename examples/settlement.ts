/**
 * A runbook in TypeScript, for what YAML cannot do well: one cell for each region, from a list.
 * The cells run the handler `settle` of handlers.mjs.
 *
 *     leasehold start day-7 --runbook example-settlement --input ledger=$LEDGER_URL --input day=7
 *     leasehold advance day-7 --max-cells 1
 *     leasehold advance day-7
 */
import { defineRunbook } from 'leasehold';

const regions = ['north', 'south', 'west'];

export default defineRunbook({
  runbook: 'example-settlement',
  version: 1,
  inputs: ['ledger', 'day'],
  cells: [
    { id: 'about', prose: 'Books the day of every region, one after the other.' },
    ...regions.map((region) => ({
      id: `settle-${region}`,
      exec: { handler: 'settle' },
      timeout: '10s',
      retry: { attempts: 3, backoff: '200ms' },
    })),
    {
      id: 'check',
      assert: regions.map((region) => ({ cell: `settle-${region}`, pointer: '/count', equals: 1 })),
    },
  ],
});
