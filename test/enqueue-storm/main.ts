import { parseArgs } from 'node:util';

import { startStack } from '../../tools/stack/servers.ts';
import { runEnqueueStorm, type StormResult } from './run.ts';

/*
 * Enqueues requests on separate servers while replicas die:
 *
 *   npm run enqueue-storm -- --requests 10000 --seed 7
 *
 * First with no replica up and NATS restarted, then with a replica killed every second. Exits 1 if
 * a request has not exactly one receipt, or an effect has not happened exactly once.
 */

const PROBLEMS_SHOWN = 30;
const PROGRESS_MS = 5_000;

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '10000' },
    'while-down': { type: 'string', default: '1000' },
    'kill-every': { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

function whole(name: keyof typeof values): number {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  say(`--${name} must be a whole number from 1, not ${values[name]}`);
  process.exit(2);
}

const [requests, whileDown, killEveryMs, seed] = [
  whole('requests'),
  whole('while-down'),
  whole('kill-every'),
  whole('seed'),
];
say(
  `seed ${seed}: npm run enqueue-storm -- --seed ${seed} --requests ${requests} ` +
    `--while-down ${whileDown} --kill-every ${killEveryMs}`,
);
const stack = await startStack({ durable: false, say });
let saidMs = 0;
const onProgress = (text: string): void => {
  if (performance.now() - saidMs < PROGRESS_MS) return;
  saidMs = performance.now();
  say(`${new Date().toISOString().slice(11, 19)} ${text}`);
};
try {
  const down = await runEnqueueStorm({
    requests: whileDown,
    seed,
    servers: { ...stack, superuserUrl: await stack.createDatabase('while_down') },
    async whileAllAreDown() {
      await stack.server('nats').stop();
      await stack.server('nats').restart();
    },
    onProgress,
  });
  report('no replica up, NATS restarted', down);
  const storm = await runEnqueueStorm({
    requests,
    seed: seed + 1,
    servers: { ...stack, superuserUrl: await stack.createDatabase('storm') },
    killEveryMs,
    onProgress,
  });
  report(`a replica killed every ${killEveryMs} ms`, storm);
  process.exitCode = down.problems.length + storm.problems.length === 0 ? 0 : 1;
} finally {
  await stack.stop();
}

function report(what: string, result: StormResult): void {
  const { requests: count, kills, enqueuedMs, receiptedMs, interrupted, problems } = result;
  say(
    `${what}: ${count} requests, ${kills} kills, ${interrupted} interrupted attempts; ` +
      `stored in ${(enqueuedMs / 1_000).toFixed(1)} s, receipted in ${(receiptedMs / 1_000).toFixed(1)} s`,
  );
  problems.slice(0, PROBLEMS_SHOWN).forEach(say);
  say(problems.length === 0 ? 'passed' : `${problems.length} problems; seed ${seed}`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
