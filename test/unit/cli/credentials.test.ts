import { Writable } from 'node:stream';

import { describe, expect, it, vi } from 'vitest';

import { runHttp } from '../../../advancer/cells/http.ts';
import { createLogger } from '../../../advancer/logging.ts';
import { summaryText } from '../../../cli/dev/summary.ts';
import type { DevStack } from '../../../cli/dev/stack.ts';
import { run } from '../../../cli/program.ts';
import { processTerminal } from '../../../cli/terminal.ts';
import { KNOWN } from '../../../src/config/known-variables.ts';
import {
  ConfigError,
  readAgentConfig,
  readConfig,
  readMigrateConfig,
} from '../../../src/config/config.ts';
import { TestTerminal } from '../../harness/test-terminal.ts';

/*
 * Every place that prints a URL, with a URL that has a password: none of them prints it.
 */

const SECRET = 'hunter2';
const URLS = {
  nats: `nats://agent:${SECRET}@127.0.0.1:1`,
  etcd: `http://root:${SECRET}@127.0.0.1:1`,
  postgres: `postgres://leasehold_app:${SECRET}@127.0.0.1:1/leasehold`,
};

function problems(read: () => unknown): string {
  try {
    read();
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe('no credentials of a URL are shown', () => {
  it.each([
    ['status', ['status', 'i', '--nats', URLS.nats]],
    ['watch', ['watch', 'i', '--nats', URLS.nats]],
    ['list', ['list', '--database', URLS.postgres]],
    ['audit', ['audit', '--database', URLS.postgres]],
    ['runbook list', ['runbook', 'list', '--database', URLS.postgres]],
    ['migrate', ['migrate', '--owner-database', URLS.postgres]],
    ['leases', ['leases', '--etcd', URLS.etcd]],
    ['replicas', ['replicas', '--etcd', URLS.etcd]],
    ['advancer', ['advancer', '--nats', URLS.nats]],
    ['dev', ['dev', '--nats', URLS.nats]],
    ['dev', ['dev', '--etcd', URLS.etcd]],
    ['chaos', ['chaos', '--attach', '--nats', URLS.nats, '--database', URLS.postgres]],
    ['a wrong scheme', ['list', '--database', `mysql://u:${SECRET}@h/d`]],
    ['an unencoded password', ['list', '--database', `postgres://u:${SECRET}/#@127.0.0.1:1/d`]],
  ])('by the command line: %s', async (_name, line) => {
    for (const flags of [[], ['--json']]) {
      const terminal = new TestTerminal();
      expect(await run([...line, ...flags], terminal)).not.toBe(0);
      expect(terminal.outText + terminal.errText).not.toBe('');
      expect(terminal.outText + terminal.errText).not.toContain(SECRET);
    }
  });

  it('by what is wrong with a variable, whichever has it', () => {
    const messages: string[] = [];
    for (const name of KNOWN.filter((known) => !/PASSWORD|TOKEN|USERNAME|FILE$/.test(known))) {
      for (const url of [...Object.values(URLS), `amqp://u:${SECRET}@h`, `u:${SECRET}@h`]) {
        for (const read of [readConfig, readAgentConfig, readMigrateConfig])
          messages.push(`${name}: ${problems(() => read({ [name]: url }))}`);
      }
    }
    expect(messages.filter((message) => message.includes(SECRET))).toEqual([]);
    expect(messages.filter((message) => message.includes('LEASEHOLD')).length).toBeGreaterThan(50);
  });

  it('by a line of the log, wherever the URL is', async () => {
    for (const format of ['json', 'pretty'] as const) {
      let text = '';
      const logger = await createLogger(
        { level: 'info', format, replicaId: 'r', color: false },
        new Writable({
          write(chunk, _encoding, done) {
            text += String(chunk);
            done();
          },
        }),
      );
      const cause = Object.assign(new TypeError('Invalid URL'), { input: URLS.postgres });
      logger.error({ err: new Error(`cannot reach ${URLS.nats}`, { cause }) }, 'failed');
      logger.warn({ url: URLS.etcd, more: { urls: Object.values(URLS) } }, `at ${URLS.nats}`);
      await expect.poll(() => text).toContain('agent:***@127.0.0.1:1');
      expect(text).not.toContain(SECRET);
    }
  });

  it('by a terminal, in whatever is for people', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      processTerminal().err(`warning: lost ${URLS.nats}`);
      expect(write.mock.calls.flat().join('')).toBe('warning: lost nats://agent:***@127.0.0.1:1\n');
    } finally {
      write.mockRestore();
    }
  });

  it('by the error of a cell whose URL is none', async () => {
    const call = { method: 'GET', url: `http://u:${SECRET}@[bad`, headers: {} };
    const result = await runHttp(call as never, {} as never, {} as never);
    expect(JSON.stringify(result)).toContain('is not a URL');
    expect(JSON.stringify(result)).not.toContain(SECRET);
  });

  it('by the summary of a local stack, which names the variables to keep', () => {
    const stack = {
      readyLine: {
        ready: true,
        namespace: 'default',
        etcdUrls: ['http://127.0.0.1:1'],
        natsUrls: ['nats://127.0.0.1:1'],
        databaseUrl: URLS.postgres,
        ownerDatabaseUrl: URLS.postgres,
        ledgerUrl: 'http://127.0.0.1:2',
        servers: [{ name: 'postgres', pid: 1 }],
        replicas: [],
      },
      packageDir: '/x',
      logDir: '/x',
      dataDir: undefined,
    } as unknown as DevStack;
    const text = summaryText(stack, { color: false });
    expect(text).not.toContain(SECRET);
    expect(text).toContain('postgres://leasehold_app:***@127.0.0.1:1/leasehold');
    expect(text).toContain('# LEASEHOLD_DATABASE_URL as it is set here: it has a password');
    expect(text).toContain('export LEASEHOLD_ETCD_URLS=http://127.0.0.1:1');
  });
});
