import { readFileSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * The rule that keeps the rooms apart: imports point inwards, and each client package is known
 * to one room only. What is not forbidden here is allowed.
 */

const ROOT = join(import.meta.dirname, '..', '..');

/** Each client package, and the only place that may import it. */
const CLIENT_PACKAGES: Readonly<Record<string, string>> = {
  etcd3: 'coordinator/',
  pg: 'advancer/log/',
  nats: 'src/bus/',
};

/** The composition roots: they alone wire everything. */
const WIRING = ['src/cli/', 'advancer/main.ts'];

const OUTER = ['coordinator/', 'advancer/'];
const EDGES = ['src/bus/', 'src/agent/', 'src/cli/', 'src/stack/', 'src/chaos/', 'src/bench/'];

/** What a file may not reach into; the first room that a path lies in decides. */
const FORBIDDEN: readonly (readonly [room: string, forbidden: readonly string[]])[] = [
  ['src/bus/', [...OUTER, 'src/agent/', 'src/cli/', 'src/stack/']],
  ['src/agent/', [...OUTER, 'src/cli/', 'src/stack/']],
  ['src/chaos/', [...OUTER, 'src/cli/']], // breaks a stack from outside, as an agent and by pids
  ['src/bench/', [...OUTER, 'src/agent/', 'src/cli/']], // what it needs of the log and of leases comes through a port
  ['src/stack/', [...OUTER, 'src/bus/', 'src/agent/', 'src/cli/']],
  ['src/index.ts', [...OUTER, 'src/cli/', 'src/stack/']],
  ['src/', [...OUTER, ...EDGES]], // the rules and words: runbook, execution, lease, request, …
  ['coordinator/', ['advancer/', 'src/agent/', 'src/cli/', 'src/stack/', 'src/chaos/', 'src/bench/']],
  ['advancer/', ['src/agent/', 'src/cli/', 'src/stack/', 'src/chaos/', 'src/bench/']],
];

interface Import {
  readonly file: string;
  /** A path from the root for relative imports, else the package's name. */
  readonly target: string;
}

function importsIn(file: string, text: string): Import[] {
  const specifiers = [...text.matchAll(/\b(?:from|import)\s*\(?\s*(['"])([^'"\n]+)\1/g)].map(
    (m) => m[2] ?? '',
  );
  return specifiers.map((specifier) => {
    if (specifier.startsWith('.')) return { file, target: posix.join(posix.dirname(file), specifier) };
    const words = specifier.split('/');
    const name = specifier.startsWith('@') ? words.slice(0, 2).join('/') : (words[0] ?? '');
    return { file, target: name };
  });
}

function breaches(imports: readonly Import[]): string[] {
  return imports.flatMap(({ file, target }) => {
    const home = CLIENT_PACKAGES[target];
    if (home !== undefined && !file.startsWith(home)) return [`${file} imports ${target}: only ${home} may`];
    if (WIRING.some((place) => file.startsWith(place))) return [];
    const forbidden = FORBIDDEN.find(([room]) => file.startsWith(room))?.[1] ?? [];
    const broken = forbidden.find((place) => target.startsWith(place));
    return broken === undefined ? [] : [`${file} reaches into ${broken} (${target})`];
  });
}

function sourceFiles(): string[] {
  return ['src', 'coordinator', 'advancer'].flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => posix.join(room, name.replaceAll('\\', '/'))),
  );
}

describe('the rooms', () => {
  it('import only inwards, and each client package in its one place', () => {
    const imports = sourceFiles().flatMap((file) => importsIn(file, readFileSync(join(ROOT, file), 'utf8')));
    expect(imports.length).toBeGreaterThan(50);
    expect(breaches(imports)).toEqual([]);
  });

  it.each([
    ['src/execution/x.ts', `import { Pool } from 'pg';`],
    ['src/lease/x.ts', `import type { Etcd3 } from 'etcd3';`],
    ['src/cli/x.ts', `const nats = await import('nats');`],
    ['advancer/x.ts', `import pg from "pg";`],
    ['advancer/main.ts', `export * from 'etcd3/lib/lease';`],
    ['src/request/x.ts', `import { y } from '../bus/bus.ts';`],
    ['src/runbook/x.ts', `import { y } from '../../coordinator/leases.ts';`],
    ['src/agent/x.ts', `export { y } from '../../advancer/log/log.ts';`],
    ['src/bus/x.ts', `import '../../coordinator/leases.ts';`],
    ['src/bench/x.ts', `import { y } from '../../advancer/log/baselines/open.ts';`],
    ['src/index.ts', `export { y } from '../advancer/main.ts';`],
    ['coordinator/x.ts', `import { y } from '../advancer/log/log.ts';`],
    ['advancer/run/x.ts', `import {\n  y,\n} from '../../src/stack/servers.ts';`],
  ])('are told apart: a breach in %s is seen', (file, text) => {
    expect(breaches(importsIn(file, text))).toHaveLength(1);
  });

  it.each([
    ['src/cli/x.ts', `import { y } from '../../advancer/main.ts'; import { z } from '../stack/servers.ts';`],
    [
      'advancer/main.ts',
      `import { y } from '../coordinator/etcd.ts'; import { z } from '../src/bus/nats.ts';`,
    ],
    ['advancer/log/x.ts', `import { Pool } from 'pg';`],
    ['coordinator/x.ts', `import { y } from '../src/lease/trust.ts';`],
    ['src/agent/x.ts', `import { y } from '../bus/bus.ts';`],
  ])('are told apart: %s may import what it needs', (file, text) => {
    expect(breaches(importsIn(file, text))).toEqual([]);
  });
});
