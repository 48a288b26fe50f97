import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Random } from '../../tools/chaos/random.ts';
import { TestCluster, type Servers } from '../harness/replicas.ts';
import { Agents, type CarriedCell } from './agents.ts';
import { check } from './checker.ts';
import { CalmReplicas, stormFailpoints, StormReplicas } from './disturbances.ts';
import { evidenceOf } from './evidence.ts';
import { endOf, wrongDoubt } from './end.ts';
import type { RandomCell } from './random-cell.ts';
import { newResult, type RunResult } from './result.ts';
import { runbookOf } from './runbook-of.ts';
import { World } from './world.ts';

/** How to run random cells. */
export interface RunOptions {
  cells: readonly RandomCell[];
  /** Of the faults; those of the cells are in the cells. */
  seed: number;
  /** Default: the servers that all tests share. */
  servers?: Servers | undefined;
  /** How many instances are under way at the same time; default 64. */
  atOnce?: number | undefined;
  /** What Node runs as a replica; default: the built command line. */
  replicaArgv?: readonly string[] | undefined;
  /** How long an instance may take; default 90 s. */
  patienceMs?: number | undefined;
  /** Whether what a fault left behind is settled by further requests; default true. */
  settles?: boolean | undefined;
  onProgress?: ((done: number, of: number, phase: string) => void) | undefined;
}

/** Long, so that no lease is lost on a busy machine. */
const CALM_TTL_S = 6;
/** Short, so that others take over soon. */
const STORM_TTL_S = 2;
/** A few more requests than one, so that what a fault left behind is settled. */
const MOST_ROUNDS = 3;
/** How many runbooks are stored by one command. */
const RUNBOOKS_AT_ONCE = 500;

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/**
 * Runs the cells on real replica processes: first those of calm weather, then those during which
 * replicas are killed and frozen. Then checks what the world witnessed against the log.
 */
export async function runRandomCells(options: RunOptions): Promise<RunResult> {
  const startedMs = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-random-cells-'));
  mkdirSync(join(folder, 'verdicts'));
  const env = { LEASEHOLD_HTTP_ALLOW: '127.0.0.0/8', LEASEHOLD_LOG_LEVEL: 'error' };
  const { servers } = options;
  const cluster = await TestCluster.start({
    ttlS: STORM_TTL_S,
    env,
    ...(servers === undefined ? {} : { servers }),
  });
  let world: World | undefined;
  try {
    world = await World.open(folder, cluster);
    const all = await carryAll(options, { cluster, world, folder });
    const result = newResult(options.cells.length, performance.now() - startedMs);
    Object.assign(result.disturbances, all.disturbances);
    result.lostReplicas.push(...all.lost);
    for (const one of await evidenceOf(cluster, world.ledger, all.cells, all.statuses)) {
      result.effects += one.effects.length;
      result.rows += one.rows.length;
      result.add(check(one), one);
    }
    return result;
  } finally {
    await cluster.stop();
    await world?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Place {
  cluster: TestCluster;
  world: World;
  folder: string;
}

/** What is known once all cells have ended. */
interface AllCarried {
  cells: CarriedCell[];
  statuses: Map<string, string | undefined>;
  disturbances: Record<string, number>;
  lost: string[];
}

async function carryAll(options: RunOptions, place: Place): Promise<AllCarried> {
  const { cells, atOnce = 64, onProgress } = options;
  const { cluster, world, folder } = place;
  const runbookIds = await pushRunbooks(place, cells);
  let done = 0;
  let phase = 'calm';
  const agents = new Agents({
    cluster,
    ledger: world.ledger,
    atOnce,
    admit: (cell) => world.admit(cell),
    dismiss: (cell) => world.dismiss(cell),
    runbookIdOf: (cell) => runbookIds.get(cell.instanceId) ?? '',
    patienceMs: options.patienceMs,
    onEnd: () => onProgress?.((done += 1), cells.length, phase),
  });
  const replicaOptions = { env: cluster.env, folder, argv: options.replicaArgv };
  const names = options.replicaArgv === undefined ? ['a', 'b', 'c'] : ['a'];
  const all: AllCarried = { cells: [], statuses: new Map(), disturbances: {}, lost: [] };

  const settle = async (carried: CarriedCell[]): Promise<void> => {
    const ids = carried.map(({ cell }) => cell.instanceId);
    if (options.settles !== false) await settled({ cluster, world, agents, carried });
    for (const [nth, status] of (await agents.statuses(ids)).entries())
      all.statuses.set(ids[nth] ?? '', status);
    all.cells.push(...carried);
  };

  const calm = cells.filter(({ storm }) => !storm);
  if (calm.length > 0) {
    const replicas = new CalmReplicas({
      ...replicaOptions,
      env: { ...cluster.env, LEASEHOLD_LEASE_TTL_S: String(CALM_TTL_S) },
    });
    try {
      await replicas.start(names, fileOf('handlers.mjs'), fileOf('handlers-few.mjs'));
      await settle(await agents.work(calm));
    } finally {
      all.lost.push(...(await replicas.stop()));
    }
    Object.assign(all.disturbances, replicas.made);
  }
  const stormy = cells.filter(({ storm }) => storm);
  if (stormy.length > 0) {
    phase = 'storm';
    const replicas = new StormReplicas(replicaOptions, {
      random: new Random(options.seed),
      failpoints: stormFailpoints,
      env: { LEASEHOLD_HANDLERS: fileOf('handlers.mjs') },
      ttlMs: STORM_TTL_S * 1_000,
    });
    try {
      await replicas.start(names);
      const carried = await agents.work(stormy);
      await replicas.calm();
      await settle(carried);
    } finally {
      all.lost.push(...(await replicas.stop()));
    }
    Object.assign(all.disturbances, replicas.made);
  }
  return all;
}

/** Stores the runbooks of the cells, each once; their ids by instance. */
async function pushRunbooks(
  { cluster, folder }: Place,
  cells: readonly RandomCell[],
): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const files = new Map<string, string>();
  for (const cell of cells) {
    const content = runbookOf(cell);
    const text = JSON.stringify(content);
    const id = `random-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
    ids.set(cell.instanceId, id);
    if (files.has(id)) continue;
    const file = join(folder, `${id}.json`);
    files.set(id, file);
    await writeFile(file, JSON.stringify({ runbook: id, ...content }));
  }
  const all = [...files.values()];
  for (let from = 0; from < all.length; from += RUNBOOKS_AT_ONCE) {
    const some = all.slice(from, from + RUNBOOKS_AT_ONCE);
    const pushed = await cluster.cli(['runbook', 'push', ...some, '--json']);
    if (pushed.code !== 0) throw new Error(`push failed: ${pushed.stderr.slice(-2_000)}`);
  }
  return ids;
}

interface Settling {
  cluster: TestCluster;
  world: World;
  agents: Agents;
  carried: CarriedCell[];
}

/** Sends another request for every instance that may still move. */
async function settled({ cluster, world, agents, carried }: Settling): Promise<void> {
  for (let round = 1; round <= MOST_ROUNDS; round += 1) {
    const evidence = await evidenceOf(cluster, world.ledger, carried, new Map());
    const byCell = new Map(evidence.map((one) => [one.cell.instanceId, one]));
    const moving = carried.filter(({ cell, outcome }) => {
      const one = byCell.get(cell.instanceId);
      if (one === undefined || cell.obstacle === 'nobody') return false;
      const end = endOf(one);
      // A doubt may have got evidence since; once asked again, it stays.
      const doubtful = end === 'in_doubt' && (round === 1 || wrongDoubt(one) !== undefined);
      return end === 'ready' || outcome === undefined || doubtful;
    });
    if (moving.length === 0) return;
    await agents.again(moving);
  }
}
