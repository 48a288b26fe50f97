import { openSync } from 'node:fs';

import { createEffectRunner } from '../../advancer/cells/runner.ts';
import { ALLOW_EVERYWHERE, parseHttpAllow } from '../../src/config/http-allow.ts';
import { systemClock } from '../../src/time/clock.ts';

/*
 * Run with few file descriptors (`ulimit -n`). Opens all that are left, and prints how a command
 * and an http call end then.
 */

const httpAllow = parseHttpAllow(ALLOW_EVERYWHERE).entries;
const runner = createEffectRunner({ clock: systemClock, handlers: {}, httpAllow });
const context = {
  instanceId: 'i',
  cellId: 'c',
  attempt: 1,
  fencingToken: 1,
  idempotencyKey: 'i/c/1',
  requestId: 'q',
  inputs: {},
  outputs: {},
};
const signals = {
  lease: { ended: false, onEnd: () => () => undefined },
  notCancelled: { ended: false, onEnd: () => () => undefined },
  abort: new AbortController().signal,
};
const call = { method: 'POST' as const, url: 'http://127.0.0.1:1/' };

/** Before each step: the loader of modules may have closed a file meanwhile. */
function openAllFiles(): void {
  try {
    for (;;) openSync('/dev/null', 'r');
  } catch {
    // None is left.
  }
}

openAllFiles();
const unfit = runner.unfitFor({ command: ['true'] });
openAllFiles();
const command = await runner.run({ id: 'c', exec: { command: ['true'] } }, context, signals);
openAllFiles();
const http = await runner.run({ id: 'c', exec: { http: call } }, context, signals);
process.stdout.write(`${JSON.stringify({ unfit, command, http })}\n`);
