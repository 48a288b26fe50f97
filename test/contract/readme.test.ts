import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { runCommand } from '../../tools/stack/command.ts';
import { MAIN } from '../harness/child-process.ts';
import { freshDatabase, serversForTests } from '../harness/servers.ts';
import { FollowedProcess } from './child.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** What a reader of the README has to put in: the addresses of the servers. */
const NATS = 'nats://127.0.0.1:4222';
const LEDGER = 'https://ledger.example';

interface DevLine {
  natsUrls: string[];
  databaseUrl: string;
  ledgerUrl: string;
}

let folder: string;
let readme: string;
let dev: FollowedProcess;
let line: DevLine;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leasehold-readme-'));
  readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  // An installed package, as the agent's import needs it.
  await mkdir(join(folder, 'node_modules'));
  await symlink(ROOT, join(folder, 'node_modules', 'leasehold'));
  await writeFile(join(folder, 'package.json'), '{"type": "module"}\n');
  // The two programs that the runbook names.
  await writeFile(join(folder, 'probe.mjs'), `console.log('{"answer": "did_not_happen"}');\n`);
  await writeFile(join(folder, 'notify.sh'), '#!/bin/sh\necho notified\n');
  await chmod(join(folder, 'notify.sh'), 0o755);
  const others = Object.entries(process.env).filter(
    ([name]) => !/^LEASEHOLD_(?!CACHE|STACK)/.test(name),
  );
  const { etcdUrls } = serversForTests();
  env = {
    ...Object.fromEntries(others),
    LEASEHOLD_ETCD_URLS: etcdUrls.join(','),
    LEASEHOLD_OWNER_DATABASE_URL: await freshDatabase(),
  };
  // It starts its own NATS, because the agent uses the default namespace.
  dev = FollowedProcess.leasehold(['dev', '--replicas', '2', '--json'], env, folder);
  line = (await dev.firstLine()) as DevLine;
});
afterAll(async () => {
  dev?.signal('SIGTERM');
  await dev?.exited;
  await rm(folder, { recursive: true, force: true });
});

/** The one block of that language in the README. */
function block(language: string): string {
  const found = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(
    ([, name]) => name === language,
  );
  expect(found).toHaveLength(1);
  return found[0]?.[2] ?? '';
}

/** The text with the address of a server in the place of the one that is printed, once. */
function at(text: string, printed: string, address: string): string {
  expect(text.split(printed)).toHaveLength(2);
  return text.replace(printed, address);
}

it('the runbook and the agent of the README run as printed, and the agent exits by itself', async () => {
  const run = (argv: readonly string[]) =>
    runCommand(process.execPath, argv, {
      cwd: folder,
      env: { ...env, LEASEHOLD_DATABASE_URL: line.databaseUrl },
      timeoutMs: 120_000,
    });
  await writeFile(join(folder, 'refund.yaml'), at(block('yaml'), LEDGER, line.ledgerUrl));
  const pushed = await run([MAIN, 'runbook', 'push', 'refund.yaml']);
  expect(pushed).toMatchObject({ code: 0, stderr: '' });

  await writeFile(join(folder, 'agent.ts'), at(block('ts'), NATS, line.natsUrls[0]!));
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const types = ['--typeRoots', join(ROOT, 'node_modules', '@types'), '--types', 'node'];
  const checked = await run(
    [tsc, '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022'].concat(
      types,
      'agent.ts',
    ),
  );
  expect(checked).toMatchObject({ code: 0, stdout: '' });

  const tsx = pathToFileURL(join(ROOT, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href;
  const ran = await run(['--import', tsx, 'agent.ts']);
  expect(ran).toMatchObject({ code: 0, stdout: '', stderr: '' });

  const effects = await fetch(`${line.ledgerUrl}/effects?key=refund-7/charge/1`);
  expect(await effects.json()).toMatchObject({ count: 1, effects: [{ body: { order: '7' } }] });
  const status = await run([MAIN, 'status', 'refund-7', '--json', '--nats', line.natsUrls[0]!]);
  expect(JSON.parse(status.stdout)).toMatchObject({ status: 'completed' });
}, 240_000);
