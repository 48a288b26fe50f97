import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it } from 'vitest';

import { recordImports } from '../../harness/import-log.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

/** The packages of package.json that a command line imports, and this project's modules. */
async function imports(...line: string[]): Promise<{ packages: string[]; modules: string[] }> {
  const argv = [join(ROOT, 'cli/main.ts'), ...line];
  const { urls } = await recordImports(
    (trace) =>
      new Promise<void>((resolve) => {
        const env = { PATH: process.env['PATH'], ...trace };
        execFile(process.execPath, argv, { env }, () => resolve());
      }),
  );
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  return {
    packages: Object.keys(dependencies)
      .filter((name) => urls.some((url) => url.includes(`/node_modules/${name}/`)))
      .sort(),
    modules: urls.filter(
      (url) => url.startsWith(pathToFileURL(`${ROOT}/`).href) && !url.includes('/node_modules/'),
    ),
  };
}

// The first import of a client's package takes seconds on a busy machine.
describe('the command line imports only what it needs', { timeout: 60_000 }, () => {
  it.each([['--version'], ['--help']])('for %s: commander', async (line) => {
    const { packages, modules } = await imports(line);
    expect(packages).toEqual(['commander']);
    expect(modules.filter((url) => url.includes('/cli/verbs/'))).toEqual([]);
  });

  it.each(['status', 'show'])('for %s: NATS, and neither a store nor a server', async (verb) => {
    const { packages, modules } = await imports(verb, 'x', '--nats', 'nats://127.0.0.1:1');
    expect(packages).toEqual(['commander', 'lossless-json', 'nats', 'zod']);
    const verbs = modules.filter((url) => url.includes('/cli/verbs/'));
    expect(verbs).toEqual([expect.stringContaining(`/cli/verbs/${verb}.ts`)]);
  });

  it('for list: Postgres, and neither NATS nor etcd', async () => {
    const { packages } = await imports('list', '--database', 'postgres://x@127.0.0.1:1/x');
    expect(packages).toEqual(['commander', 'lossless-json', 'pg', 'zod']);
  });

  it('for leases: etcd, and neither NATS nor Postgres', async () => {
    const { packages } = await imports('leases', '--etcd', 'http://127.0.0.1:1');
    expect(packages).toEqual(['commander', 'etcd3', 'zod']);
  });

  it('for runbook lint of YAML: no client of a server', async () => {
    const { packages } = await imports('runbook', 'lint', join(ROOT, 'examples/refund.yaml'));
    expect(packages.filter((name) => ['nats', 'etcd3', 'pg', 'fastify'].includes(name))).toEqual(
      [],
    );
  });
});
