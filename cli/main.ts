#!/usr/bin/env -S node --max-semi-space-size=64
import { processTerminal } from './terminal.ts';
import { run } from './program.ts';

process.exitCode = await run(process.argv.slice(2), processTerminal());
// A connection that never came about may leave a socket behind, which must not hold up who waits
// for the answer.
setTimeout(() => process.exit(), 250).unref();
