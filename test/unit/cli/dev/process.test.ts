import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { DevProcess } from '../../../../cli/dev/process.ts';
import { Watchdog } from '../../../../tools/stack/watchdog.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');
const NO_FORCE = new AbortController().signal;
const READY = `console.log(JSON.stringify({ ready: true, pid: process.pid }));`;

interface Ready {
  pid: number;
}

let dir: string;
let watchdog: Watchdog;
const started: DevProcess<Ready>[] = [];

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'leasehold-test-'));
  watchdog = new Watchdog(dir);
});

afterEach(async () => {
  for (const one of started.splice(0)) {
    one.kill();
    await one.exited;
  }
});

afterAll(async () => {
  await watchdog.close();
  rmSync(dir, { recursive: true, force: true });
});

function start(name: string, argv: string[], forwarded?: string[]): DevProcess<Ready> {
  const logFile = join(dir, `${name}.log`);
  const forward = forwarded && {
    filter: (line: string) => line.startsWith('!'),
    say: (line: string) => void forwarded.push(line),
  };
  const one = new DevProcess<Ready>({
    name,
    argv,
    cwd: ROOT,
    env: process.env,
    logFile,
    watchdog,
    forward,
  });
  started.push(one);
  return one;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a process of leasehold dev', () => {
  it('is ready with the line that it prints, and shuts down when it is stopped', async () => {
    const one = start('polite', [
      '-e',
      `process.on('SIGTERM', () => process.exit(7)); ${READY} setInterval(() => {}, 9e6);`,
    ]);
    const { pid } = await one.ready;
    expect(isAlive(pid)).toBe(true);
    await one.stop(NO_FORCE);
    expect(await one.exited).toEqual({ code: 7, signal: null });
    expect(isAlive(pid)).toBe(false);
    expect(one.stopping).toBe(true);
  });

  it('that ends before it is ready is reported with the end of its log', async () => {
    const one = start('broken', ['-e', `console.error('the reason'); process.exit(3);`]);
    await expect(one.ready).rejects.toThrow(
      /broken ended: exit code 3; the end of its log:\nthe reason/,
    );
  });

  it('that prints something else on stdout is not taken to be ready', async () => {
    const one = start('wordy', [
      '-e',
      `console.log('{"error": {}}'); console.log('hello'); process.exit(1);`,
    ]);
    await expect(one.ready).rejects.toThrow(/wordy ended: exit code 1/);
  });

  it('that ignores SIGTERM is killed when force aborts', async () => {
    const one = start('deaf', [
      '-e',
      `process.on('SIGTERM', () => {}); ${READY} setInterval(() => {}, 9e6);`,
    ]);
    await one.ready;
    const force = new AbortController();
    const stopped = one.stop(force.signal);
    force.abort();
    await stopped;
    expect(await one.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('that is frozen continues, so that it gets SIGTERM', async () => {
    const one = start('frozen', [
      '-e',
      `process.on('SIGTERM', () => process.exit(0)); ${READY} setInterval(() => {}, 9e6);`,
    ]);
    const { pid } = await one.ready;
    process.kill(pid, 'SIGSTOP');
    await one.stop(NO_FORCE);
    expect(await one.exited).toEqual({ code: 0, signal: null });
  });

  it('forwards only the lines that the filter accepts, and its log has all of them', async () => {
    const forwarded: string[] = [];
    const program = `console.error('!one'); console.error('two'); console.error('!three'); process.exit(0);`;
    const one = start('chatty', ['-e', program], forwarded);
    await one.exited;
    expect(forwarded).toEqual(['!one', '!three']);
    expect(readFileSync(join(dir, 'chatty.log'), 'utf8')).toBe('!one\ntwo\n!three\n');
  });
});
