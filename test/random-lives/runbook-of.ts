import { fileURLToPath } from 'node:url';

import { CHILD_RUNBOOK } from './family.ts';
import type { EffectPlan, Life, LifeCell } from './life.ts';
import { undoIdOf } from './life.ts';

const EFFECT = fileURLToPath(new URL('effect.sh', import.meta.url));

/** The secret that every effect sends and prints; see tools/chaos/secret-hunt.ts. */
export const SECRET = 'LIVES';

/** The inputs of every instance. */
const INPUTS = ['id', 'receiver', 'ledger', 'go'] as const;

const BEARER = { authorization: `Bearer \${secrets.${SECRET}}` };
const TIMEOUT = '5s';

/** The content of a runbook's file for a life, without a name: several lives share one. */
export function runbookOf(life: Life): object {
  return {
    version: 1,
    inputs: [...INPUTS],
    ...(life.onHalt === 'undo' && { onHalt: 'undo' }),
    cells: life.cells.map(cellOf),
  };
}

/** The claim that a cell of an instance waits for. */
export function claimOf(instanceId: string, cellId: string): string {
  return `${instanceId}-${cellId}`;
}

function cellOf(cell: LifeCell): object {
  const { id } = cell;
  const claim = claimOf('${inputs.id}', id);
  switch (cell.type) {
    case 'effect':
      return {
        id,
        ...(cell.skipped && { when: [{ input: '/go', equals: false }] }),
        ...effectOf(id, cell.effect),
        ...(cell.undo !== undefined && { undo: effectOf(undoIdOf(id), cell.undo) }),
      };
    case 'pause':
      return { id, await: { for: `${cell.ms}ms` } };
    case 'claim':
      return { id, await: { claim, statuses: ['yes'] } };
    case 'deadline':
      return {
        id,
        await: { claim, statuses: ['yes'], within: `${cell.ms}ms`, otherwise: cell.otherwise },
      };
    case 'check':
      return { id, assert: [{ cell: cell.of, pointer: '/ok', equals: true }] };
    case 'run': {
      // Each child knows its own name.
      const each = Array.from({ length: cell.count }, (_, n) => n);
      const inputs = {
        id: `\${inputs.id}-${id}-\${each}`,
        receiver: '${inputs.receiver}',
        ledger: '${inputs.ledger}',
        go: '${inputs.go}',
      };
      return { id, run: { runbook: CHILD_RUNBOOK, each, inputs } };
    }
  }
}

function effectOf(id: string, { by, policy, moves, delayMs, attempts }: EffectPlan): object {
  return {
    exec: by === 'http' ? callOf('effects', id, 'POST') : commandOf(moves, delayMs),
    timeout: TIMEOUT,
    retry: { attempts, backoff: '30ms', maxBackoff: '200ms', factor: 3, jitter: 0.5 },
    onInterrupt: policy,
    ...(policy === 'probe' && {
      probe: by === 'http' ? callOf('probe', id, 'GET') : commandOf(['ok'], 0, 'probe'),
    }),
  };
}

function callOf(what: 'effects' | 'probe', cellId: string, method: string): object {
  const url = `\${inputs.receiver}/${what}/\${inputs.id}/${cellId}`;
  return { http: { method, url, headers: BEARER } };
}

function commandOf(moves: readonly string[], delayMs: number, what = 'effect'): object {
  const seconds = String(delayMs / 1_000);
  return {
    command: ['sh', EFFECT, what, '${inputs.ledger}', moves.join(' '), seconds],
    env: { TOKEN: `\${secrets.${SECRET}}` },
  };
}
