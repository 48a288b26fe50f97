import type { RowKind, WireRow } from '../../../../src/execution/row.ts';
import { fromWireRow } from '../../../../src/execution/row.ts';
import { foldRows } from '../../../../src/execution/state.ts';
import { cellViews } from '../../../../src/execution/status.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { StatusReply } from '../../../../src/request/status-reply.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';

/** A runbook with every type of cell. */
export const DEPLOY: Runbook = {
  runbook: 'deploy',
  version: 3,
  title: 'Deploy with a canary',
  description: 'Takes about **an hour**.',
  onHalt: 'hold',
  inputs: {
    service: { type: 'string', description: 'What to deploy.' },
    regions: { type: 'array' },
  },
  cells: [
    {
      id: 'before-canary',
      prose:
        '## One machine first\n\nLook at [the graph](https://graph.example/d/1), and\n\n- wait\n- do `nothing` else',
    },
    {
      id: 'canary',
      title: 'One machine',
      exec: { http: { method: 'POST', url: 'https://deploy.example/canary' } },
      expect: [{ status: 201 }],
      timeout: '10s',
      retry: { attempts: 2 },
      undo: { http: { method: 'DELETE', url: 'https://deploy.example/canary' } },
    },
    { id: 'soak', await: { for: '10m' } },
    {
      id: 'approved',
      await: { claim: 'go', statuses: ['approved'], within: '2d', otherwise: 'halt' },
    },
    {
      id: 'warm',
      when: [{ cell: 'canary', pointer: '/warm', equals: false }],
      exec: { command: ['./warm.sh', 'a b'] },
    },
    { id: 'regions', run: { runbook: 'deploy-region', each: '${inputs.regions}' } },
    { id: 'check', assert: [{ cell: 'canary', pointer: '/errors', atMost: 0 }] },
    { id: 'notify', exec: { handler: 'notify' }, onInterrupt: 'rerun' },
  ],
};

const START_MS = Date.parse('2030-01-31T09:00:00.000Z');

/** When the sample's newest row was recorded, and a little later. */
export const NOW_MS = START_MS + 120_000;

/** Rows of one log: kind, cell, body, attempt. */
export type RowText = readonly [kind: RowKind, cell: string, body?: JsonObject, attempt?: number];

/** The rows as on the wire, one per second. */
function logOf(rows: readonly RowText[]): WireRow[] {
  return rows.map(([kind, cell, body = {}, attempt = 1], index) => ({
    instance_id: 'deploy-7',
    seq: index + 1,
    fencing_token: 17,
    replica_id: 'r1-00000000',
    kind,
    cell_id: cell,
    attempt,
    request_id: ['decided', 'unwinding', 'cancelled'].includes(kind) ? null : 'q-1',
    agent_id: 'billing',
    body: kind === 'started' ? { idempotencyKey: `deploy-7/${cell}/1`, ...body } : body,
    recorded_at: new Date(START_MS + index * 1_000).toISOString(),
  }));
}

/** The status of an instance with these rows. */
export function statusOfRows(
  rows: readonly RowText[],
  more: Partial<StatusReply> = {},
  runbook: Runbook = DEPLOY,
): StatusReply {
  const log = logOf(rows);
  const state = foldRows(log.map(fromWireRow));
  const view = { runbook, inputs: {}, recordedAt: new Date(START_MS).toISOString(), state };
  return {
    instanceId: 'deploy-7',
    runbookId: runbook.runbook,
    version: runbook.version,
    status: 'ready',
    nextCellId: null,
    holder: { replicaId: 'r1-00000000', fencingToken: 17 },
    lastSeq: log.length,
    cells: cellViews(view, more.status === 'parked'),
    log,
    ...more,
  };
}

/** An instance that went through everything and completed. */
export const COMPLETED: readonly RowText[] = [
  ['started', 'canary'],
  ['failed', 'canary', { error: { message: '503: busy' } }],
  ['started', 'canary', {}, 2],
  ['interrupted', 'canary', { reason: 'crash' }, 2],
  [
    'decided',
    'canary',
    {
      as: 'succeeded',
      by: 'ann',
      reason: 'seen in the console',
      output: { errors: 0, warm: true },
    },
    2,
  ],
  ['satisfied', 'soak', { until: '2030-01-31T09:10:00.000000Z' }],
  [
    'satisfied',
    'approved',
    { claimId: 'go', revision: 2, status: 'approved', agentId: 'bob', evidence: null },
  ],
  [
    'skipped',
    'warm',
    { when: [{ cell: 'canary', pointer: '/warm', equals: false, actual: true, held: false }] },
  ],
  [
    'satisfied',
    'regions',
    { instances: [{ instanceId: 'deploy-7-regions-0', status: 'completed', outputs: {} }] },
  ],
  [
    'satisfied',
    'check',
    { checks: [{ cell: 'canary', pointer: '/errors', atMost: 0, actual: 0, held: true }] },
  ],
  ['started', 'notify'],
  ['completed', 'notify', { output: { stdout: 'told everybody\n' } }],
];

/** An instance that was undone and cancelled, with a doubt that nobody settled. */
export const CANCELLED: readonly RowText[] = [
  ['started', 'canary'],
  ['completed', 'canary', { output: { errors: 3, warm: true } }],
  ['unwinding', 'canary', { by: 'ann', reason: 'the canary has errors', children: false }],
  ['started', 'undo-canary'],
  ['interrupted', 'undo-canary', { reason: 'timeout' }],
  [
    'cancelled',
    'undo-canary',
    { by: 'ann', reason: 'enough', children: false, left: [{ cellId: 'undo-canary', attempt: 1 }] },
  ],
];
