import type { Json } from '../../src/json.ts';
import { ownScript } from '../stack/own-script.ts';

/** One of the workload's runbooks. */
export interface ChaosRunbook {
  /** As in a runbook file. */
  document: {
    runbook: string;
    version: number;
    inputs: string[];
    onHalt?: 'undo';
    cells: object[];
  };
  /** How often agents start it, relative to the others; 0: only to measure failovers. */
  weight: number;
  /** Whether it needs the run's own replicas, with the workload's handlers and commands. */
  needsOwn: boolean;
}

const INPUTS = ['witness', 'ms', 'long', 'claim'];

/** The runbook of idle instances that failovers are measured on. */
export const STEADY = 'chaos-steady';
/** The runbook of instances with an attempt that stays open for longer than a lease. */
export const LINGERING = 'chaos-lingering';
const STEADY_CELLS = 90;

const PROBE = { http: { method: 'GET', url: '${inputs.witness}/probe' } };

function http(query = 'ms=${inputs.ms}'): object {
  return { http: { method: 'POST', url: `\${inputs.witness}/effects?${query}` } };
}

function runbook(
  name: string,
  cells: object[],
  { onHalt, ...traits }: { weight: number; needsOwn?: boolean; onHalt?: 'undo' },
): ChaosRunbook {
  const head = { runbook: name, version: 1, inputs: INPUTS };
  return {
    document: { ...head, ...(onHalt !== undefined && { onHalt }), cells },
    needsOwn: false,
    ...traits,
  };
}

const OK = [{ status: 201 }, { pointer: '/ok', equals: true }];

/** The workload's runbooks: every kind of cell but `run`, and every interruption policy. */
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

const APPROVED = { claim: '${inputs.claim}', statuses: ['approved', 'waived'] };

/** Runbooks about the whole life of an instance: undo, conditions, pauses and deadlines. */
function livingRunbooks(): ChaosRunbook[] {
  return [
    runbook(
      'chaos-undo',
      [
        {
          id: 'first',
          exec: http(),
          onInterrupt: 'rerun',
          undo: { exec: http(), onInterrupt: 'probe', probe: PROBE },
        },
        { id: 'second', exec: http(), expect: OK, undo: http('ms=150') },
        { id: 'breather', await: { for: '150ms' } },
        {
          id: 'third',
          when: [{ cell: 'first', pointer: '/ok', equals: true }],
          exec: http(),
          onInterrupt: 'probe',
          probe: PROBE,
          undo: {
            exec: http('fail=1'),
            retry: { attempts: 3, backoff: '50ms', maxBackoff: '1s', jitter: 0.5 },
            onInterrupt: 'rerun',
          },
        },
        { id: 'unwanted', when: [{ input: '/ms', in: ['never'] }], exec: http() },
        { id: 'last', exec: http(), onInterrupt: 'rerun' },
      ],
      { weight: 10 },
    ),
    runbook(
      'chaos-waits',
      [
        { id: 'first', exec: http(), onInterrupt: 'rerun' },
        { id: 'answered', await: { ...APPROVED, within: '700ms', otherwise: 'skip' } },
        { id: 'breather', await: { for: '100ms' } },
        { id: 'second', exec: http(), expect: OK },
        { id: 'insisted', await: { ...APPROVED, within: '4s', otherwise: 'halt' } },
        { id: 'last', exec: http(), onInterrupt: 'rerun' },
      ],
      { weight: 8 },
    ),
    runbook(
      'chaos-unwinds',
      [
        { id: 'first', exec: http(), onInterrupt: 'rerun', undo: http() },
        {
          id: 'second',
          exec: http(),
          onInterrupt: 'probe',
          probe: PROBE,
          undo: { exec: http(), onInterrupt: 'rerun' },
        },
        {
          id: 'fails',
          exec: http('fail=9'),
          retry: { attempts: 2, backoff: '50ms' },
          onInterrupt: 'rerun',
        },
        { id: 'never', exec: http() },
      ],
      { weight: 3, onHalt: 'undo' },
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
