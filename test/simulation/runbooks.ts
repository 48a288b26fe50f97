import type { Runbook } from '../../src/runbook/runbook.ts';

/** Every kind of cell and every interrupt policy, in one runbook. */
const WORK: Runbook = {
  runbook: 'work',
  version: 1,
  inputs: [],
  cells: [
    { id: 'about', prose: 'Every kind of cell.' },
    { id: 'held', exec: { handler: 'any' } },
    {
      id: 'again',
      exec: { handler: 'any' },
      expect: [{ pointer: '/attempt', exists: true }],
      onInterrupt: 'rerun',
    },
    { id: 'gate', await: { claim: 'gate', statuses: ['open'] } },
    { id: 'probed', exec: { handler: 'any' }, onInterrupt: 'probe', probe: { handler: 'probe' } },
    { id: 'check', assert: [{ cell: 'held', pointer: '', exists: true }] },
    { id: 'tried', exec: { handler: 'new' }, retry: { attempts: 3, backoff: '100ms' } },
  ],
};

/**
 * Everything else that an instance may go through: conditions, a pause, deadlines, children, and
 * what undoes its cells, under every policy.
 */
const LIFE: Runbook = {
  runbook: 'life',
  version: 1,
  inputs: ['name'],
  cells: [
    { id: 'booked', exec: { handler: 'any' }, undo: { handler: 'any' } },
    {
      id: 'extra',
      when: [{ cell: 'booked', pointer: '/attempt', atLeast: 2 }],
      exec: { handler: 'any' },
      undo: { handler: 'any' },
    },
    { id: 'soak', await: { for: '700ms' } },
    {
      id: 'late',
      await: {
        claim: 'late-${inputs.name}',
        statuses: ['open'],
        within: '1500ms',
        otherwise: 'skip',
      },
    },
    {
      id: 'sent',
      exec: { handler: 'any' },
      onInterrupt: 'rerun',
      undo: { exec: { handler: 'any' }, onInterrupt: 'rerun' },
    },
    {
      id: 'must',
      await: { claim: 'must-${inputs.name}', statuses: ['open'], within: '1500ms' },
    },
    {
      id: 'paid',
      exec: { handler: 'new' },
      retry: { attempts: 2, backoff: '100ms' },
      undo: { exec: { handler: 'any' }, onInterrupt: 'probe', probe: { handler: 'probe' } },
    },
    { id: 'parts', run: { runbook: 'part', each: [1, 2], inputs: { n: '${each}' } } },
    { id: 'last', exec: { handler: 'any' } },
  ],
};

/** The runbooks that agents start. The last undoes by itself what has halted. */
export const RUNBOOKS: readonly Runbook[] = [
  WORK,
  LIFE,
  { ...LIFE, runbook: 'undone', onHalt: 'undo' },
];

/** The runbook that run cells start. */
export const PART: Runbook = {
  runbook: 'part',
  version: 1,
  inputs: ['n'],
  cells: [{ id: 'done', exec: { handler: 'any' }, onInterrupt: 'rerun' }],
};
