import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Child } from '../harness/child-process.ts';
import { busybox, oldestNode } from '../harness/fetched-programs.ts';
import { freshDatabase, freshNamespace, serversForTests } from '../harness/servers.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** A directory in which the package is installed, as `npm install` of its archive would do it. */
let dir: string;
/** The paths in the archive. */
let files: Set<string>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'leasehold-installed-'));
  const argv = ['pack', '--json', '--ignore-scripts', '--pack-destination', dir];
  const printed = execFileSync('npm', argv, { cwd: ROOT, encoding: 'utf8' });
  const [packed] = JSON.parse(printed) as { filename: string; files: { path: string }[] }[];
  files = new Set(packed!.files.map(({ path }) => path));
  const home = join(dir, 'node_modules', 'leasehold');
  await mkdir(home, { recursive: true });
  const archive = join(dir, packed!.filename);
  execFileSync('tar', ['-xzf', archive, '-C', home, '--strip-components=1']);
  // Its dependencies are those of this repository, so that no registry is needed.
  for (const name of await readdir(join(ROOT, 'node_modules')))
    if (name !== '.bin' && name !== 'leasehold')
      await symlink(join(ROOT, 'node_modules', name), join(dir, 'node_modules', name));
  await mkdir(join(dir, 'bin'));
  await symlink(join(home, 'dist', 'cli', 'main.js'), join(dir, 'bin', 'leasehold'));
}, 120_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('the archive', () => {
  it('has every file that a page in it links to', async () => {
    const folders = new Set<string>();
    for (const file of files)
      for (let at = dirname(file); at !== '.'; at = dirname(at)) folders.add(at);
    const missing: string[] = [];
    for (const page of [...files].filter((file) => file.endsWith('.md'))) {
      const text = await readFile(join(ROOT, page), 'utf8');
      for (const [, link = ''] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
        if (/^[a-z]+:/.test(link)) continue;
        const target = normalize(join(dirname(page), link)).replace(/\/$/, '');
        if (!files.has(target) && !folders.has(target)) missing.push(`${page}: ${link}`);
      }
    }
    expect(missing).toEqual([]);
  });

  it('needs nothing that only this repository can have: no overrides', async () => {
    const json = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as object;
    expect(json).not.toHaveProperty('overrides');
  });

  it('has dependencies that all support Node 20.19', async () => {
    const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { dev?: boolean; engines?: { node?: string } }>;
    };
    const tooNew = Object.entries(lock.packages).filter(([, { dev, engines }]) => {
      const lowest = [...(engines?.node ?? '').matchAll(/(?:>=|\^) *(\d+)(?:\.(\d+))?/g)].map(
        ([, major, minor = '0']) => Number(major) * 1_000 + Number(minor),
      );
      return dev !== true && lowest.length > 0 && Math.min(...lowest) > 20_019;
    });
    expect(tooNew.map(([path]) => path)).toEqual([]);
  });
});

describe('the program', () => {
  it('starts where there is a shell and node, and `env` has no -S', async () => {
    const bare = join(dir, 'bare');
    await mkdir(bare);
    await symlink(process.execPath, join(bare, 'node'));
    const program = join(dir, 'bin', 'leasehold');
    const [first = ''] = (await readFile(program, 'utf8')).split('\n');
    expect(first).toBe('#!/bin/sh');
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      version: string;
    };
    const options = { env: { PATH: bare }, encoding: 'utf8' } as const;
    expect(execFileSync(program, ['--version'], options)).toBe(`${version}\n`);
  });

  it('starts with the env and the shell of BusyBox', async (context) => {
    const path = await busybox(context);
    const program = join(dir, 'bin', 'leasehold');
    const bare = join(dir, 'busybox');
    await mkdir(bare);
    await symlink(process.execPath, join(bare, 'node'));
    const options = { env: { PATH: bare }, encoding: 'utf8' } as const;
    const search = `PATH=${bare}:${join(dir, 'bin')}`;
    for (const argv of [
      ['env', search, 'leasehold', '--version'],
      ['sh', program, '--version'],
    ])
      expect(execFileSync(path, argv, options)).toMatch(/^\d+\.\d+\.\d+\n$/);
    // With -S, which is how a script gave Node its options before, it starts nothing.
    expect(() =>
      execFileSync(path, ['env', '-S', 'node --version'], { ...options, stdio: 'pipe' }),
    ).toThrow(/option/);
  });

  it('dev runs commands in the directory of its caller, with the handlers that the caller names', async () => {
    expect(await devServes(process.execPath, 'project')).toBe('completed');
  }, 120_000);

  it('dev, and all that it starts, runs on the oldest Node that the package names', async (context) => {
    expect(await devServes(await oldestNode(context), 'oldest')).toBe('completed');
  }, 120_000);

  /** Runs `dev` from the package, and a runbook on it, by that Node; returns its status. */
  async function devServes(node: string, folder: string): Promise<string> {
    const here = join(dir, folder);
    await mkdir(here);
    const notes = { exec: { command: ['sh', '-c', 'pwd > where.txt'] } };
    await writeFile(join(here, 'handlers.mjs'), 'export default { mine: () => process.cwd() };\n');
    await writeFile(
      join(here, 'book.json'),
      JSON.stringify({
        runbook: 'mine',
        version: 1,
        inputs: [],
        cells: [
          { id: 'command', ...notes },
          { id: 'handler', exec: { handler: 'mine' } },
        ],
      }),
    );
    const { etcdUrls, natsUrls } = serversForTests();
    const main = join(dir, 'node_modules', 'leasehold', 'dist', 'cli', 'main.js');
    const env = {
      ...Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !name.startsWith('LEASEHOLD_')),
      ),
      LEASEHOLD_NAMESPACE: freshNamespace(),
      LEASEHOLD_ETCD_URLS: etcdUrls.join(','),
      LEASEHOLD_NATS_URLS: natsUrls.join(','),
      LEASEHOLD_OWNER_DATABASE_URL: await freshDatabase(),
      LEASEHOLD_HANDLERS: './handlers.mjs',
    };
    const place = { main, cwd: here, node };
    const dev = new Child(['dev', '--replicas', '1', '--lease-ttl', '2', '--json'], env, place);
    try {
      const line = await Promise.race([
        dev.stdout.until(() => dev.stdout.lines.find((text) => text.startsWith('{'))),
        dev.exited.then(() => {
          throw new Error(`dev ended before it was ready:\n${dev.stderr.text}`);
        }),
      ]);
      const { databaseUrl } = JSON.parse(line) as { databaseUrl: string };
      const run = async (...args: string[]): Promise<string> => {
        const child = new Child(args, { ...env, LEASEHOLD_DATABASE_URL: databaseUrl }, place);
        const { code } = await child.exited;
        expect({ code, stderr: child.stderr.text }).toMatchObject({ code: 0 });
        return child.stdout.text;
      };
      await run('runbook', 'push', 'book.json');
      await run('start', 'i-1', '--runbook', 'mine');
      await run('advance', 'i-1');
      expect((await readFile(join(here, 'where.txt'), 'utf8')).trim()).toBe(here);
      const status = JSON.parse(await run('status', 'i-1', '--json')) as {
        status: string;
        cells: { cellId: string; output?: unknown }[];
      };
      expect(status.cells.find(({ cellId }) => cellId === 'handler')?.output).toBe(here);
      // The examples' own commands are found from here too.
      const shown = JSON.parse(await run('runbook', 'show', 'example-refund', '--json')) as object;
      expect(JSON.stringify(shown)).toContain('node_modules/leasehold/examples/notify.mjs');
      return status.status;
    } finally {
      dev.end();
      await dev.exited;
    }
  }
});
