import { check } from './checker.ts';
import { evidenceOf, type Evidence } from './evidence.ts';
import { checkFamily, type Origin } from './family-rules.ts';
import { searchReports } from './reports.ts';
import { addFinding, type LivesResult } from './result.ts';
import type { Scene } from './run.ts';

/** How many instances the commands are asked about that print what they know. */
const SHOWN = 2;

/** Checks everything that a run left behind. */
export async function checkAll(
  scene: Scene,
  statuses: ReadonlyMap<string, string | undefined>,
  tookMs: number,
): Promise<LivesResult> {
  const { cluster, storm, hunt, lives, families } = scene;
  const children = families.flatMap((one) => one.children);
  const result: LivesResult = {
    lives: lives.length,
    children: children.length,
    effects: 0,
    rows: 0,
    tookMs,
    breaches: [],
    offenders: [],
    seen: new Map(),
    faults: storm.made,
    searched: hunt.searched,
    lostReplicas: [],
  };
  const all = [...lives, ...families.map(({ parent }) => parent), ...children];
  const evidence = await evidenceOf({ ...scene, statuses }, all);
  const byId = new Map(evidence.map((one) => [one.life.instanceId, one]));
  for (const one of evidence) {
    // Children of a family that was cancelled early need not exist.
    if (one.life.byParent === true && one.startedAtMs === 0) continue;
    addFinding(result, check(one), one);
  }
  const origins = families.length === 0 ? [] : await originsOf(scene);
  for (const { parent, children: own } of families) {
    const found = checkFamily({
      parent: byId.get(parent.instanceId) as Evidence,
      children: own.map(({ instanceId }) => byId.get(instanceId) as Evidence),
      origins: origins.filter((one) => one.parentInstanceId === parent.instanceId),
    });
    result.breaches.push(...found);
  }
  await audit(scene, result);
  for (const { httpUrl = '' } of storm.running) if (httpUrl !== '') await hunt.searchPages(httpUrl);
  const shown = lives.slice(0, SHOWN).map(({ instanceId }) => instanceId);
  await searchReports(hunt, cluster, shown);
  await hunt.searchDatabase(cluster.env['LEASEHOLD_OWNER_DATABASE_URL'] ?? '');
  for (const url of cluster.servers.etcdUrls.slice(0, 1)) await hunt.searchEtcd(url);
  for (const { where, form, before } of hunt.finds)
    result.breaches.push({
      rule: 'secret-nowhere',
      instanceId: '-',
      what: `${where} has it (${form}) after ${before}`,
    });
  result.lostReplicas.push(...storm.lost);
  return result;
}

async function originsOf({ cluster }: Scene): Promise<Origin[]> {
  const found = await cluster.app.query<Origin>(
    `select instance_id as "instanceId", parent_instance_id as "parentInstanceId",
       parent_cell_id as "cellId", parent_n as n
     from leasehold.instances where parent_instance_id is not null`,
  );
  return found.rows;
}

/** Runs `leasehold audit`, whose checks are others than these. */
async function audit({ cluster, hunt }: Scene, result: LivesResult): Promise<void> {
  const { code, stdout, stderr } = await cluster.cli(['audit', '--json']);
  hunt.look('leasehold audit', `${stdout}${stderr}`);
  if (code === 0) return;
  const what = `it exits ${code}: ${stdout.slice(0, 2_000)}${stderr.slice(-500)}`;
  result.breaches.push({ rule: 'audit-agrees', instanceId: '-', what });
}
