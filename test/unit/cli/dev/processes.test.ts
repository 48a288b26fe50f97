import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { DevProcess } from '../../../../cli/dev/process.ts';
import { LedgerClient } from '../../../../cli/dev/ledger-client.ts';
import { Watchdog } from '../../../../tools/stack/watchdog.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');
const NO_FORCE = new AbortController().signal;
const READY = `console.log(JSON.stringify({ ready: true, pid: process.pid }));`;

interface Ready {
  pid: number;
  url: string;
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

describe('the ledger', () => {
  async function ledger(): Promise<{ url: string; client: LedgerClient }> {
    const { url } = await start('ledger', [join(ROOT, 'examples', 'ledger', 'ledger.mjs')]).ready;
    return { url, client: new LedgerClient(url) };
  }
  const effect = (url: string, key: string, signal?: AbortSignal): Promise<Response> =>
    fetch(`${url}/effects`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': key,
        'leasehold-fencing-token': '7',
      },
      body: JSON.stringify({ amount: 1 }),
      signal: signal ?? null,
    });

  it('counts every effect by its key, and never deduplicates', async () => {
    const { url, client } = await ledger();
    const answers = [
      await effect(url, 'a/b/1'),
      await effect(url, 'a/b/1'),
      await effect(url, 'a/c/1'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(await Promise.all(answers.map((answer) => answer.json()))).toEqual([
      { key: 'a/b/1', count: 1 },
      { key: 'a/b/1', count: 2 },
      { key: 'a/c/1', count: 1 },
    ]);
    const found = (await (await fetch(`${url}/effects?key=a/b/1`)).json()) as {
      count: number;
      effects: unknown[];
    };
    expect(found.count).toBe(2);
    expect(found.effects).toHaveLength(2);
    expect(found.effects[0]).toMatchObject({
      key: 'a/b/1',
      body: { amount: 1 },
      headers: { 'leasehold-fencing-token': '7' },
      time: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
    });
    expect(await client.count('a/c/1')).toBe(1);
  });

  it('with a delay after the effect, has recorded it although nobody waits for the answer', async () => {
    const { url, client } = await ledger();
    await client.delay(60_000, 'after');
    const leave = new AbortController();
    const answer = effect(url, 'k', leave.signal);
    const left = answer.catch((error: unknown) => (error as Error).name);
    await expect.poll(() => client.count('k')).toBe(1);
    leave.abort();
    expect(await left).toBe('AbortError');
    expect(await client.count('k')).toBe(1);
  });

  it('with a delay before the effect, records nothing for a sender that has gone', async () => {
    const { url, client } = await ledger();
    await client.delay(60_000, 'before');
    const leave = new AbortController();
    const answer = effect(url, 'k', leave.signal);
    const left = answer.catch((error: unknown) => (error as Error).name);
    await expect.poll(() => client.waiting()).toBe(1);
    leave.abort();
    expect(await left).toBe('AbortError');
    await expect.poll(() => client.waiting()).toBe(0);
    expect(await client.count('k')).toBe(0);
    await client.delay(0);
    expect((await effect(url, 'k')).status).toBe(201);
    expect(await client.count('k')).toBe(1);
  });
});
