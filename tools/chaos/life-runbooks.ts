import { http, OK, PROBE, runbook, type ChaosRunbook } from './runbook-parts.ts';

const APPROVED = { claim: '${inputs.claim}', statuses: ['approved', 'waived'] };

/** Runbooks about the life of one instance: undo, conditions, pauses and deadlines. */
export function livingRunbooks(): ChaosRunbook[] {
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

/** What every child of a family runs. */
const CHILD = 'chaos-child';
/** What the workload gives each child, with the number of its element. */
function toChild(n: string): object {
  const given = ['witness', 'ms', 'long', 'claim'].map((name) => [name, `\${inputs.${name}}`]);
  return { ...Object.fromEntries(given), n };
}

/**
 * Runbooks about instances that start others. Every effect of a child tells the witness which
 * element of which parent it is for, so that the witness needs no log to tell children apart.
 */
export function familyRunbooks(): ChaosRunbook[] {
  const own = (): object => http('ms=${inputs.ms}&element=${inputs.claim}/${inputs.n}');
  return [
    runbook(
      'chaos-family',
      [
        { id: 'first', exec: http(), onInterrupt: 'rerun', undo: http() },
        {
          id: 'all',
          run: { runbook: CHILD, each: [0, 1, 2], inputs: toChild('${each}') },
          undo: { exec: http(), onInterrupt: 'rerun' },
        },
        { id: 'after', exec: http(), onInterrupt: 'rerun' },
        { id: 'one', run: { runbook: CHILD, inputs: toChild('one') } },
        { id: 'last', exec: http(), onInterrupt: 'rerun' },
      ],
      { weight: 6 },
    ),
    runbook(
      CHILD,
      [
        { id: 'work', exec: own(), onInterrupt: 'probe', probe: PROBE, undo: http() },
        { id: 'end', exec: own(), onInterrupt: 'rerun' },
      ],
      { weight: 0, inputs: ['n'] },
    ),
  ];
}
