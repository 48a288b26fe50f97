import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { LedgerClient } from '../../../../cli/dev/ledger-client.ts';
import { DevProcess } from '../../../../cli/dev/process.ts';
import { Watchdog } from '../../../../tools/stack/watchdog.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');

let dir: string;
let watchdog: Watchdog;
const started: DevProcess<{ pid: number; url: string }>[] = [];

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

describe('the ledger', () => {
  async function ledger(): Promise<{ url: string; client: LedgerClient }> {
    const one = new DevProcess<{ pid: number; url: string }>({
      name: 'ledger',
      argv: [join(ROOT, 'examples', 'ledger', 'ledger.mjs')],
      cwd: ROOT,
      env: process.env,
      logFile: join(dir, 'ledger.log'),
      watchdog,
    });
    started.push(one);
    const { url } = await one.ready;
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
