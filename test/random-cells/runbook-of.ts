import { fileURLToPath } from 'node:url';

import { MOVED, movedBy, type Expect } from './meaning.ts';
import type { Kind } from './moves.ts';
import type { RandomCell } from './random-cell.ts';

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const EFFECT = fileOf('effect.sh');
const PROBE = fileOf('probe.sh');

/** What every instance is started with. */
const INPUTS = ['id', 'plan', 'says', 'program', 'origin', 'extra', 'ledger', 'verdicts'] as const;

/** The content of a runbook's file for a cell, without a name: many cells share one. */
export function runbookOf(cell: RandomCell): object {
  const { cellId, policy, expect, output, attempts, backoffMs, timeoutMs } = cell;
  const random = {
    id: cellId,
    exec: effectOf(cell),
    ...(output === undefined ? {} : { output }),
    ...(expect === 'none' ? {} : { expect: conditions(cell.kind, expect) }),
    timeout: `${timeoutMs}ms`,
    retry: { attempts, backoff: `${backoffMs}ms` },
    onInterrupt: policy,
    ...(policy === 'probe' ? { probe: probeOf(cell) } : {}),
  };
  return {
    version: 1,
    inputs: [...INPUTS],
    cells: cell.follower ? [random, followerOf(cellId)] : [random],
  };
}

/** The id of the cell that follows. */
export const FOLLOWER = 'next';

function followerOf(cellId: string): object {
  const plan = 'ok-quiet+';
  const command = commandOf('sh', plan, `\${outputs.${cellId}}`);
  return { id: FOLLOWER, exec: { command }, onInterrupt: 'rerun' };
}

function commandOf(program: string, plan: string, more: string): string[] {
  return [program, EFFECT, '${inputs.ledger}', '${inputs.verdicts}', plan, more];
}

function effectOf(cell: RandomCell): object {
  const { kind, obstacle, cellId } = cell;
  const more = obstacle === 'placeholder' ? '${inputs.extra.missing}' : 'as planned';
  switch (kind) {
    case 'command': {
      const [refusedExitCodes, unknownExitCodes] = [codes(cell, 'refused'), codes(cell, 'unknown')];
      return {
        command: commandOf('${inputs.program}', '${inputs.plan}', more),
        ...(refusedExitCodes === undefined ? {} : { refusedExitCodes }),
        ...(unknownExitCodes === undefined ? {} : { unknownExitCodes }),
      };
    }
    case 'http': {
      const moved = movedBy(cell.overrides).map((name) => [name, MOVED[name].statuses]);
      const url = `\${inputs.origin}/effects/\${inputs.id}/${cellId}`;
      return { http: { method: 'POST', url, body: { more }, ...Object.fromEntries(moved) } };
    }
    case 'handler':
      if (obstacle === 'nobody') return { handler: 'nobody' };
      return { handler: obstacle === 'elsewhere' ? 'elsewhere' : 'effect' };
  }
}

function codes(cell: RandomCell, name: 'refused' | 'unknown'): readonly number[] | undefined {
  return movedBy(cell.overrides).includes(name) ? MOVED[name].exitCodes : undefined;
}

function probeOf({ kind, cellId }: RandomCell): object {
  switch (kind) {
    case 'command':
      return {
        command: ['sh', PROBE, '${inputs.ledger}', '${inputs.verdicts}', '${inputs.says}'],
      };
    case 'http':
      return {
        http: { method: 'GET', url: `\${inputs.origin}/probe/\${inputs.id}/${cellId}` },
      };
    case 'handler':
      return { handler: 'probe' };
  }
}

function conditions(kind: Kind, expect: Exclude<Expect, 'none'>): object[] {
  const code = (exitCode: number, status: number): object =>
    kind === 'command' ? { exitCode } : { status };
  const done = (equals: boolean): object => ({ pointer: '/done', equals });
  switch (expect) {
    case 'done':
      return [done(true)];
    case 'undone':
      return [done(false)];
    case 'code':
      return [code(3, 404)];
    case 'success':
      return [code(0, 201), done(true)];
    case 'declined':
      return [{ errorIncludes: 'declined' }];
  }
}
