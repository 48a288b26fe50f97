#!/usr/bin/env node
// The build replaces these two lines; see scripts/build.mjs.
import { processTerminal } from './terminal.ts';
import { run } from './program.ts';

process.exitCode = await run(process.argv.slice(2), processTerminal());
// A connection that failed may leave a socket open, which must not delay the exit.
setTimeout(() => process.exit(), 250).unref();
