import { parseArgs } from 'node:util';

import { startStack } from '../../tools/stack/servers.ts';
import { runDueLoad } from './run.ts';

const USAGE = `Measures due work at scale, on separate servers:

  npm run due-load -- [--parked 1000000] [--due 1000] [--schedules 1000] [--waiters 100000]
                      [--replicas 3] [--idle-s 20]

  --parked    unattended instances that wait for claims which nobody makes
  --due       instances whose time comes in the same second
  --schedules schedules that are due in the same second
  --waiters   instances that wait for one claim
  --replicas  how many replicas there are
  --idle-s    how long idle replicas are watched, in seconds

Exits 1 if an instance was not advanced exactly once, or began later than 3 s after its time, or if
a tick did not start exactly one instance.`;

/** An instance that begins later than this after its time fails the run. */
const LATEST_MS = 3_000;
const DEFAULTS = {
  parked: '1000000',
  due: '1000',
  schedules: '1000',
  waiters: '100000',
  replicas: '3',
  'idle-s': '20',
} as const;

const options = readOptions();
const stack = await startStack({ durable: true, say });
try {
  const result = await runDueLoad({ ...options, servers: stack, say });
  say(JSON.stringify(result, null, 2));
  const { begunMs, ticks, wake } = result;
  const problems = [
    wake.notOnce === 0 ? '' : `${wake.notOnce} instances were not advanced exactly once`,
    ticks.notOnce === 0 ? '' : `${ticks.notOnce} ticks did not start exactly one instance`,
    begunMs.worst <= LATEST_MS ? '' : `an instance began ${Math.round(begunMs.worst)} ms late`,
  ].filter((problem) => problem !== '');
  problems.forEach(say);
  say(problems.length === 0 ? 'passed' : 'failed');
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await stack.stop();
}

function readOptions() {
  try {
    const text = (name: keyof typeof DEFAULTS) =>
      ({ type: 'string', default: DEFAULTS[name] }) as const;
    const { values } = parseArgs({
      options: {
        parked: text('parked'),
        due: text('due'),
        schedules: text('schedules'),
        waiters: text('waiters'),
        replicas: text('replicas'),
        'idle-s': text('idle-s'),
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help === true) {
      say(USAGE);
      process.exit(0);
    }
    const whole = (name: keyof typeof DEFAULTS): number => {
      const number = Number(values[name]);
      if (Number.isSafeInteger(number) && number >= 1) return number;
      throw new Error(`--${name} must be a whole number from 1, not ${values[name]}`);
    };
    return {
      parked: whole('parked'),
      due: whole('due'),
      schedules: whole('schedules'),
      waiters: whole('waiters'),
      replicas: whole('replicas'),
      idleMs: whole('idle-s') * 1_000,
    };
  } catch (cause) {
    say(`${cause instanceof Error ? cause.message : String(cause)}\n\n${USAGE}`);
    process.exit(2);
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
