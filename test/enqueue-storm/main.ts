import { startStack } from '../../tools/stack/servers.ts';
import { ownArguments, seedOf, SHARED_OPTIONS } from '../harness/random-run.ts';
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

const given = ownArguments('enqueue-storm', {
  requests: { about: 'how many are enqueued while replicas die', least: 1, byDefault: 10_000 },
  'while-down': { about: 'how many while no replica is up', least: 1, byDefault: 1_000 },
  'kill-every': { about: 'milliseconds between two kills', least: 1, byDefault: 1_000 },
  seed: SHARED_OPTIONS.seed,
});
const seed = seedOf(given.seed);
const { requests = 0, 'while-down': whileDown = 0, 'kill-every': killEveryMs = 0 } = given;

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
  const {
    requests: count,
    kills,
    enqueuedMs,
    receiptedMs,
    interrupted,
    finished,
    problems,
  } = result;
  say(
    `${what}: ${count} requests, ${kills} kills, ${interrupted} interrupted attempts; ` +
      `stored in ${(enqueuedMs / 1_000).toFixed(1)} s, receipted in ${(receiptedMs / 1_000).toFixed(1)} s; ` +
      `${finished} instances were finished afterwards`,
  );
  problems.slice(0, PROBLEMS_SHOWN).forEach(say);
  say(problems.length === 0 ? 'passed' : `${problems.length} problems; seed ${seed}`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
