import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Child } from '../harness/child-process.ts';
import { eventually, TestCluster } from '../harness/replicas.ts';
import { formsToPrint, tracesOf } from '../harness/secret-hunt.ts';
import { keysUnder } from './etcd-gateway.ts';
import { push } from './runbooks.ts';

/*
 * Effects that let out secrets in every way that they have, and a hunt for these in everything that
 * a replica writes: every table, what goes over the bus, receipts, replies, log lines, metrics,
 * readiness, keys in etcd, and what the command line prints.
 */

const BROKEN = fileURLToPath(new URL('../harness/broken-replica.ts', import.meta.url));
const VALUES = { TOKEN: 'tok_live-51H8x"\\/é z', VARIABLE: 'of-the-environment' };

/** Prints every form of the secret that it is given, wherever a command can print. */
const LOUD = `
  const { writeFileSync } = require('node:fs');
  const text = JSON.parse(process.env.FORMS).join(' | ');
  process.stderr.write(text);
  if (process.env.TO === 'file') writeFileSync(process.env.LEASEHOLD_OUTPUT_FILE, JSON.stringify({ [text]: text }));
  process.stdout.write(process.env.TO === 'json' ? JSON.stringify({ [text]: [text] }) : text);
  if (process.env.THEN === 'die') process.kill(process.pid, 'SIGKILL');
  process.exitCode = Number(process.env.THEN);`;

/** What the environment of the command has, so that the runbook has the placeholder alone. */
const loud = (to: string, then = '0') => ({
  command: [process.execPath, '-e', LOUD],
  env: { FORMS: '${secrets.FORMS}', TO: to, THEN: then },
});

const HANDLERS = `
  const forms = (call) => JSON.parse(call.secret('FORMS'));
  export const returns = (call) => ({ forms: forms(call), [call.secret('TOKEN')]: 1 });
  export const throws = (call) => { throw new Error(forms(call).join(' ')); };`;

const runbooks = (echoUrl: string): object[] => {
  const book = (runbook: string, ...cells: object[]) => ({ runbook, version: 1, cells });
  const http = {
    url: `${echoUrl}/hooks/\${secrets.VARIABLE}?key=\${secrets.TOKEN}`,
    headers: { authorization: 'Bearer ${secrets.VARIABLE}' },
    body: { forms: '${secrets.FORMS}', token: '${secrets.TOKEN}' },
  };
  return [
    book(
      'loud',
      { id: 'stdout', exec: loud('text') },
      { id: 'json', exec: loud('json') },
      { id: 'file', exec: loud('file') },
      { id: 'call', exec: { http } },
      { id: 'handler', exec: { handler: 'returns' } },
      { id: 'uses', exec: { command: ['echo', '${outputs.stdout.stdout}'] } },
      {
        id: 'probed',
        exec: loud('text', 'die'),
        onInterrupt: 'probe',
        probe: {
          command: [
            process.execPath,
            '-e',
            'console.log(JSON.stringify({answer: "happened", output: process.env.FORMS}))',
          ],
          env: { FORMS: '${secrets.FORMS}' },
        },
      },
    ),
    book('fails', { id: 'a', exec: loud('text', '3') }),
    book('answers-404', { id: 'a', exec: { http: { ...http, url: `${echoUrl}/404` } } }),
    book('throws', { id: 'a', exec: { handler: 'throws' } }),
    book('unexpected', {
      id: 'a',
      exec: loud('json'),
      expect: [{ pointer: '', equals: 'something else' }],
    }),
    book('late', { id: 'late', exec: loud('json') }),
    book('doubt', {
      id: 'a',
      exec: loud('text', 'die'),
      onInterrupt: 'probe',
      probe: loud('text', '0'),
    }),
  ];
};

let folder: string;
let echo: Server;
let echoUrl: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leasehold-secrets-'));
  const forms = Object.values(VALUES).flatMap((value) => Object.values(formsToPrint(value)));
  await Promise.all([
    writeFile(join(folder, 'TOKEN'), `${VALUES.TOKEN}\n`),
    writeFile(join(folder, 'FORMS'), JSON.stringify(forms)),
    writeFile(join(folder, '.handlers.mjs'), HANDLERS),
  ]);
  // Answers with all that it was sent.
  echo = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const { url, headers } = request;
      response.writeHead(url === '/404' ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ url, headers, body }));
    });
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  echoUrl = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`;
  env = {
    LEASEHOLD_SECRETS_DIR: folder,
    LEASEHOLD_SECRET_VARIABLE: VALUES.VARIABLE,
    LEASEHOLD_HANDLERS: join(folder, '.handlers.mjs'),
    LEASEHOLD_LOG_LEVEL: 'trace',
  };
});

afterAll(async () => {
  echo?.close();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

/** Every row of every table that the product has, as text. */
async function rowsOf(cluster: TestCluster): Promise<[string, string][]> {
  const tables = await cluster.owner.query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
      where table_schema like 'leasehold%' order by 1`,
  );
  const texts: [string, string][] = [];
  for (const { name } of tables.rows) {
    const rows = await cluster.owner.query<{ text: string }>(
      `select row_to_json(t)::text as text from ${name} t`,
    );
    texts.push(...rows.rows.map(({ text }): [string, string] => [name, text]));
  }
  return texts;
}

/** Everything that a run of the loud runbooks left anywhere. */
async function everything(
  cluster: TestCluster,
  log: () => string,
  httpUrl: string,
): Promise<[string, string][]> {
  const texts: [string, string][] = [];
  const bus = cluster.nats.subscribe('>', {
    callback: (_, message) => {
      if (!message.subject.startsWith('leasehold.') || message.subject.includes(cluster.namespace))
        texts.push([`bus ${message.subject.split('.')[2] ?? ''}`, message.string()]);
    },
  });
  await push(cluster, ...runbooks(echoUrl));
  const instances = ['loud', 'fails', 'answers-404', 'throws', 'unexpected', 'doubt'];
  for (const name of instances) {
    await cluster.start(name, name);
    const receipt = await cluster.advance(name, `q-${name}`);
    texts.push(['receipt', JSON.stringify(receipt)]);
    texts.push(['status', JSON.stringify(await cluster.status(name, { log: true }))]);
  }
  for (const name of ['loud', 'doubt']) {
    const shown = await cluster.cli(['status', name, '--log']);
    texts.push(['the command line', shown.stdout + shown.stderr]);
  }
  const audit = await cluster.cli(['audit']);
  texts.push(['the audit', audit.stdout + audit.stderr]);
  texts.push(...(await rowsOf(cluster)));
  const keys = await keysUnder(cluster.servers.etcdUrls[0], `/leasehold/${cluster.namespace}/`);
  texts.push(['etcd', JSON.stringify(keys)]);
  for (const path of httpUrl === '' ? [] : ['/readyz', '/metrics', '/livez'])
    texts.push([path, await (await fetch(`${httpUrl}${path}`)).text()]);
  texts.push(
    ...log()
      .split('\n')
      .map((line): [string, string] => ['log line', line]),
  );
  await bus.drain();
  return texts;
}

const where = (texts: readonly [string, string][]): string[] =>
  [...new Set(texts.map(([name]) => name))].sort();

describe('a secret that effects let out on purpose', () => {
  it('is found in no table, event, receipt, reply, log line, metric, key or report', async () => {
    const cluster = await TestCluster.start({ env });
    try {
      const replica = await cluster.startReplica('a');
      const texts = await everything(cluster, () => replica.log, replica.httpUrl);
      expect(tracesOf(VALUES, texts)).toEqual([]);
      // It looked at all of this, and effects did say something.
      const seen = where(texts);
      for (const name of ['leasehold.executions', 'leasehold.requests', 'bus event', 'receipt'])
        expect(seen).toContain(name);
      for (const name of ['status', 'log line', '/metrics', '/readyz', 'etcd', 'the command line'])
        expect(seen).toContain(name);
      const rows = await cluster.rows('loud');
      expect(rows.at(-1)).toMatchObject({ kind: 'decided', body: { as: 'succeeded' } });
      const said = (name: string): string =>
        JSON.stringify(texts.filter(([from]) => from === name).map(([, text]) => text));
      for (const name of ['leasehold.executions', 'bus event', 'receipt', 'status', 'log line'])
        expect([name, said(name)]).toEqual([name, expect.stringContaining('[secret TOKEN]')]);
      const outputs = rows.filter(({ kind }) => kind === 'completed').map(({ body }) => body);
      expect(outputs).toHaveLength(6);
      for (const body of outputs) expect(JSON.stringify(body)).toContain('[secret VARIABLE]');
    } finally {
      await cluster.stop();
    }
  });

  it('is not found in what a holder says that was frozen and replaced', async () => {
    const cluster = await TestCluster.start({ env });
    try {
      const LEASEHOLD_FAILPOINTS = 'after_effect=freeze@cell:late';
      const a = await cluster.startReplica('a', { LEASEHOLD_FAILPOINTS });
      await push(cluster, ...runbooks(echoUrl));
      await cluster.start('late', 'late');
      const answer = cluster.advance('late', 'q-1').catch(() => undefined);
      await a.failpointReached('after_effect');
      const b = await cluster.startReplica('b');
      await eventually(async () => {
        const { outcome } = await cluster.advance('late', 'q-2');
        return outcome === 'in_doubt' ? true : undefined;
      });
      a.wake();
      const late = await eventually(async () => {
        const texts = await rowsOf(cluster);
        return texts.find(([table]) => table === 'leasehold.late_outcomes');
      });
      expect(late[1]).toContain('[secret TOKEN]');
      const settled = await eventually(async () => {
        const rows = await cluster.rows('late');
        return rows.at(-1)?.kind === 'decided' ? rows : undefined;
      });
      expect(settled.at(-1)).toMatchObject({ body: { as: 'succeeded', by: '@late-outcome' } });
      const texts = await rowsOf(cluster);
      texts.push(['log lines', a.log + b.log], ['receipt', JSON.stringify(await answer)]);
      expect(tracesOf(VALUES, texts)).toEqual([]);
    } finally {
      await cluster.stop();
    }
  });

  it('is found in all of them by the same hunt, where a replica does not redact', async () => {
    const cluster = await TestCluster.start({ env });
    const child = new Child(
      ['tsx', BROKEN, 'redaction'],
      { ...cluster.env, LEASEHOLD_REPLICA_NAME: 'broken' },
      { main: '--import' },
    );
    try {
      await Promise.race([
        child.stdout.until(() => child.stdout.lines[0]),
        child.exited.then(() => Promise.reject(new Error(child.stderr.text))),
      ]);
      const texts = await everything(cluster, () => child.stderr.text, '');
      const traces = tracesOf(VALUES, texts);
      const found = new Set(traces.map((trace) => trace.where));
      for (const name of ['leasehold.executions', 'leasehold.requests', 'bus event', 'receipt'])
        expect(found).toContain(name);
      for (const name of ['status', 'log line', 'the command line']) expect(found).toContain(name);
    } finally {
      child.end();
      await child.exited;
      await cluster.stop();
    }
  });
});
