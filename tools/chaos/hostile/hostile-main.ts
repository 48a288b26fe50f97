import { renameSync, writeFileSync } from 'node:fs';

import { Random } from '../random.ts';
import { Hearsay } from './hearsay.ts';
import type { HostileArguments, HostileCounts } from './hostile.ts';
import { forgedAnswer, MOVES } from './moves.ts';
import type { HostileMessage } from './moves.ts';
import { RawNats } from './raw-nats.ts';

/*
 * The hostile client: a separate process with no more than a connection to NATS. It listens to
 * everything that the server lets it hear, and sends forged, replayed and senseless messages at a
 * steady rate. It answers every question between replicas at once, before the one that was asked.
 *
 * Prints a line of JSON when it is ready, and writes its counts to a file every second.
 */

const TICK_MS = 10;
const REPORT_MS = 1_000;
/** After a pause of this process, this much of the rate is made up for at most. */
const MAX_CATCH_UP_MS = 100;

const { url, namespace, rate, seed, user, password, countsFile } = JSON.parse(
  process.argv[2] ?? '{}',
) as HostileArguments;
const { hostname, port } = new URL(url);
const random = new Random(seed);
const heard = new Hearsay(namespace);
const root = `leasehold.${namespace}.`;
const counts: HostileCounts = { sent: 0, unsent: 0, heard: 0, refused: 0, byMove: {} };
let ids = 0;

const nats = new RawNats({
  host: hostname,
  port: Number(port),
  user,
  password,
  listenTo: [`${root}>`, '_INBOX.>', '_R_.>'],
  onMessage(message) {
    counts.heard += 1;
    const question = heard.hear(message);
    if (question !== undefined) send('forged answer', forgedAnswer(question, random));
  },
  onRefused() {
    counts.refused += 1;
  },
});

function send(move: string, { subject, data, reply }: HostileMessage): void {
  if (!nats.publish(subject, data, reply)) {
    counts.unsent += 1;
    return;
  }
  counts.sent += 1;
  counts.byMove[move] = (counts.byMove[move] ?? 0) + 1;
}

const context = { root, heard, random, count: () => (ids += 1) };
let lastMs = performance.now();
let due = 0;
setInterval(() => {
  const nowMs = performance.now();
  due += (Math.min(nowMs - lastMs, MAX_CATCH_UP_MS) / 1_000) * rate;
  lastMs = nowMs;
  for (; due >= 1; due -= 1) {
    const move = random.weighted(MOVES);
    const message = move.make(context);
    if (message !== undefined) send(move.name, message);
  }
}, TICK_MS);

function report(): void {
  // Renamed, so that nobody reads half a file.
  writeFileSync(`${countsFile}.part`, JSON.stringify(counts));
  renameSync(`${countsFile}.part`, countsFile);
}
report();
process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid })}\n`);
setInterval(report, REPORT_MS);
process.on('SIGTERM', () => {
  report();
  nats.close();
  process.exit(0);
});
