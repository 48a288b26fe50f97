import { readFileSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * The rule that keeps the rooms apart: imports point inwards, and each client package is known
 * to one room only. What is not forbidden here is allowed.
 */

const ROOT = join(import.meta.dirname, '..', '..');

/** Each client package, and the only places that may import it. */
const CLIENT_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  etcd3: ['coordinator/etcd/'],
  pg: ['advancer/log/', 'tools/'],
  nats: ['src/bus/'],
};

/** The composition root of a replica: it alone wires the adapters to the rooms. */
const WIRING = ['advancer/main.ts'];

const INTERFACES = ['cli/', 'tools/'];
const OUTER = ['coordinator/', 'advancer/', ...INTERFACES];

/** What a file may not import; the first room that contains the file decides. */
const FORBIDDEN: readonly (readonly [room: string, forbidden: readonly string[]])[] = [
  ['src/bus/', [...OUTER, 'src/agent/']],
  ['src/agent/', OUTER],
  ['src/index.ts', OUTER],
  ['src/execution/', [...OUTER, 'src/bus/', 'src/agent/', 'src/request/']],
  ['src/', [...OUTER, 'src/bus/', 'src/agent/']], // vocabulary and rules
  ['coordinator/etcd/', ['advancer/', 'src/agent/', 'src/bus/', ...INTERFACES]],
  ['coordinator/', ['coordinator/etcd/', 'advancer/', 'src/agent/', 'src/bus/', ...INTERFACES]],
  ['advancer/', ['coordinator/etcd/', 'src/agent/', ...INTERFACES]],
  ['tools/stack/', ['coordinator/', 'advancer/', 'cli/', 'src/bus/', 'src/agent/']],
  ['tools/', ['cli/']],
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
    if (specifier.startsWith('.'))
      return { file, target: posix.join(posix.dirname(file), specifier) };
    const words = specifier.split('/');
    const name = specifier.startsWith('@') ? words.slice(0, 2).join('/') : (words[0] ?? '');
    return { file, target: name };
  });
}

function breaches(imports: readonly Import[]): string[] {
  return imports.flatMap(({ file, target }) => {
    const homes = CLIENT_PACKAGES[target];
    if (homes !== undefined && !homes.some((home) => file.startsWith(home)))
      return [`${file} imports ${target}: only ${homes.join(' and ')} may`];
    if (WIRING.some((place) => file.startsWith(place))) return [];
    const forbidden = FORBIDDEN.find(([room]) => file.startsWith(room))?.[1] ?? [];
    const broken = forbidden.find((place) => target.startsWith(place));
    return broken === undefined ? [] : [`${file} reaches into ${broken} (${target})`];
  });
}

function sourceFiles(): string[] {
  return ['src', 'coordinator', 'advancer', 'cli', 'tools'].flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => posix.join(room, name.replaceAll('\\', '/'))),
  );
}

describe('the rooms', () => {
  it('import only inwards, and each client package in its one place', () => {
    const imports = sourceFiles().flatMap((file) =>
      importsIn(file, readFileSync(join(ROOT, file), 'utf8')),
    );
    expect(imports.length).toBeGreaterThan(50);
    expect(breaches(imports)).toEqual([]);
  });

  it.each([
    ['src/execution/x.ts', `import { Pool } from 'pg';`],
    ['src/execution/x.ts', `import type { y } from '../request/receipt.ts';`],
    ['src/lease/x.ts', `import type { Etcd3 } from 'etcd3';`],
    ['cli/x.ts', `const nats = await import('nats');`],
    ['cli/x.ts', `import { Pool } from 'pg';`],
    ['advancer/x.ts', `import pg from "pg";`],
    ['advancer/main.ts', `export * from 'etcd3/lib/lease';`],
    ['coordinator/x.ts', `import type { Etcd3 } from 'etcd3';`],
    ['src/request/x.ts', `import { y } from '../bus/bus.ts';`],
    ['src/runbook/x.ts', `import { y } from '../../coordinator/leases.ts';`],
    ['src/agent/x.ts', `export { y } from '../../advancer/log/log.ts';`],
    ['src/bus/x.ts', `import '../../coordinator/leases.ts';`],
    ['src/config/x.ts', `import { y } from '../../cli/shared-options.ts';`],
    ['tools/bench/x.ts', `import { y } from '../../cli/shared-options.ts';`],
    ['tools/stack/x.ts', `import { y } from '../../advancer/log/log.ts';`],
    ['src/index.ts', `export { y } from '../advancer/main.ts';`],
    ['coordinator/x.ts', `import { y } from '../advancer/log/log.ts';`],
    ['coordinator/x.ts', `import { y } from './etcd/store.ts';`],
    ['advancer/run/x.ts', `import {\n  y,\n} from '../../tools/stack/servers.ts';`],
  ])('are told apart: a breach in %s is seen', (file, text) => {
    expect(breaches(importsIn(file, text))).toHaveLength(1);
  });

  it.each([
    [
      'cli/x.ts',
      `import { y } from '../advancer/main.ts'; import { z } from '../tools/stack/servers.ts';`,
    ],
    ['tools/x.ts', `import { Pool } from 'pg'; import { y } from '../advancer/log/log.ts';`],
    [
      'advancer/main.ts',
      `import { y } from '../coordinator/etcd/store.ts'; import { z } from '../src/bus/nats.ts';`,
    ],
    ['advancer/log/x.ts', `import { Pool } from 'pg';`],
    ['coordinator/x.ts', `import { y } from '../src/lease/trust.ts';`],
    ['coordinator/etcd/x.ts', `import { Etcd3 } from 'etcd3';`],
    ['src/agent/x.ts', `import { y } from '../bus/bus.ts';`],
    ['src/request/x.ts', `import type { y } from '../execution/views.ts';`],
  ])('are told apart: %s may import what it needs', (file, text) => {
    expect(breaches(importsIn(file, text))).toEqual([]);
  });
});
