import type { Json } from '../../src/json.ts';
import { ownScript } from '../stack/own-script.ts';
import { familyRunbooks, livingRunbooks } from './life-runbooks.ts';
import { http, OK, PROBE, runbook, type ChaosRunbook } from './runbook-parts.ts';
import { secretRunbook } from './secret-runbook.ts';

/** The runbook of idle instances that failovers are measured on. */
export const STEADY = 'chaos-steady';
/** The runbook of instances with an attempt that stays open for longer than a lease. */
export const LINGERING = 'chaos-lingering';
const STEADY_CELLS = 90;

/** The workload's runbooks: every kind of cell, and every interruption policy. */
export function chaosRunbooks(): ChaosRunbook[] {
  const [node, command] = [process.execPath, ownScript('effect-main', import.meta.dirname)];
  return [
    runbook(
      'chaos-quick',
      [
        { id: 'about', prose: 'Three effects, one for each policy.' },
        { id: 'held', exec: http(), expect: OK },
        { id: 'again', exec: http(), onInterrupt: 'rerun' },
        { id: 'probed', exec: http(), onInterrupt: 'probe', probe: PROBE },
      ],
      { weight: 40 },
    ),
    runbook(
      'chaos-mixed',
      [
        { id: 'first', exec: http(), expect: OK },
        { id: 'approved', await: { claim: '${inputs.claim}', statuses: ['approved', 'waived'] } },
        {
          id: 'retried',
          exec: http('fail=2'),
          retry: { attempts: 3, backoff: '100ms' },
          onInterrupt: 'rerun',
        },
        { id: 'held', exec: http('ms=300'), expect: OK },
        { id: 'sound', assert: [{ cell: 'held', pointer: '/ok', equals: true }] },
        { id: 'why', prose: 'An effect whose failure is what is expected.' },
        {
          id: 'predicted',
          exec: http('status=409'),
          expect: [{ status: 409 }],
          onInterrupt: 'probe',
          probe: PROBE,
        },
        { id: 'last', exec: http(), onInterrupt: 'rerun' },
      ],
      { weight: 25 },
    ),
    runbook(
      'chaos-slow',
      [
        { id: 'brief', exec: http(), onInterrupt: 'rerun' },
        { id: 'long', exec: http('ms=${inputs.long}'), expect: OK },
        { id: 'probed', exec: http('ms=${inputs.long}'), onInterrupt: 'probe', probe: PROBE },
        { id: 'end', exec: http(), onInterrupt: 'rerun' },
      ],
      { weight: 6 },
    ),
    runbook(
      'chaos-timeout',
      [
        {
          id: 'late',
          exec: http('ms=1500&once=1'),
          timeout: '600ms',
          onInterrupt: 'probe',
          probe: PROBE,
        },
        { id: 'doubtful', exec: http('ms=1500&once=1'), timeout: '600ms' },
        { id: 'end', exec: http() },
      ],
      { weight: 3 },
    ),
    runbook(
      'chaos-handlers',
      [
        { id: 'stubborn', exec: { handler: 'stubborn' } },
        { id: 'flaky', exec: { handler: 'flaky' }, retry: { attempts: 4, backoff: '50ms' } },
        { id: 'obedient', exec: { handler: 'obedient' }, onInterrupt: 'rerun' },
      ],
      { weight: 12, needsOwn: true },
    ),
    runbook(
      'chaos-commands',
      [
        { id: 'held', exec: { command: [node, ...command, '${inputs.witness}', '${inputs.ms}'] } },
        {
          id: 'again',
          exec: { command: [node, ...command, '${inputs.witness}', '${inputs.long}'] },
          onInterrupt: 'rerun',
        },
        { id: 'sound', assert: [{ cell: 'again', pointer: '/cell', equals: 'again' }] },
      ],
      { weight: 2, needsOwn: true },
    ),
    runbook(
      'chaos-halts',
      [
        { id: 'first', exec: http(), onInterrupt: 'rerun' },
        {
          id: 'fails',
          exec: http('fail=9'),
          retry: { attempts: 2, backoff: '50ms' },
          onInterrupt: 'rerun',
        },
        { id: 'never', exec: http() },
      ],
      { weight: 3 },
    ),
    runbook(
      'chaos-refuted',
      [
        { id: 'first', exec: http(), onInterrupt: 'rerun' },
        { id: 'unsound', assert: [{ cell: 'first', pointer: '/cell', equals: 'another' }] },
        { id: 'never', exec: http() },
      ],
      { weight: 3 },
    ),
    ...livingRunbooks(),
    ...familyRunbooks(),
    secretRunbook([node, ...command]),
    runbook(
      STEADY,
      Array.from({ length: STEADY_CELLS }, (_, index) => ({
        id: `step${index + 1}`,
        exec: http('ms=0'),
        onInterrupt: 'rerun',
      })),
      { weight: 0 },
    ),
    runbook(
      LINGERING,
      [
        { id: 'brief', exec: http('ms=0'), onInterrupt: 'rerun' },
        { id: 'long', exec: http('ms=${inputs.long}&once=1'), onInterrupt: 'rerun' },
      ],
      { weight: 0 },
    ),
  ];
}

/** The inputs of one instance. */
export function chaosInputs(
  witnessUrl: string,
  claimId: string,
  ms: number,
  longMs: number,
): { [name: string]: Json } {
  return { witness: witnessUrl, ms: String(ms), long: String(longMs), claim: claimId };
}
