import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startEtcd } from '../../tools/stack/etcd-server.ts';
import { locateServer } from '../../tools/stack/locate.ts';
import type { Server } from '../../tools/stack/server-process.ts';
import { closeWorkspace, openWorkspace, type Workspace } from '../../tools/stack/workspace.ts';
import { TestCluster } from '../harness/replicas.ts';
import { freshDatabase, freshNamespace, serversForTests } from '../harness/servers.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const ROLES = join(ROOT, 'deploy', 'etcd', 'roles.sh');

const namespace = freshNamespace();
const REPLICA = {
  name: `leasehold-${namespace}`,
  password: 'of-replicas',
};
const VIEWER = { name: `leasehold-${namespace}-viewer`, password: 'of-viewers' };
const ROOT_USER = { name: 'root', password: 'of-root' };

let workspace: Workspace;
let folder: string;
let etcd: Server;
let cluster: TestCluster;

const encoded = (text: string): string => Buffer.from(text).toString('base64');

/** The answer of etcd's HTTP gateway; `refused` is the text of an error. */
interface Answer {
  token?: string;
  refused?: string;
}

async function call(path: string, body: object, token?: string): Promise<Answer> {
  const answer = await fetch(`${etcd.url}/v3/${path}`, {
    method: 'POST',
    headers: token === undefined ? {} : { authorization: token },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  return answer.ok ? (JSON.parse(text) as Answer) : { refused: text };
}

async function tokenOf(user: { name: string; password: string }): Promise<string> {
  const { token, refused } = await call('auth/authenticate', user);
  if (token === undefined) throw new Error(`${user.name} cannot log in: ${refused}`);
  return token;
}

/** Whether etcd lets the user read, write and delete the key. */
async function rightsOn(key: string, user?: { name: string; password: string }) {
  const token = user === undefined ? undefined : await tokenOf(user);
  const may = async (path: string, body: object): Promise<boolean | string> => {
    const { refused } = await call(path, body, token);
    if (refused === undefined) return true;
    return /permission denied|user name is empty/.test(refused) ? false : refused;
  };
  return {
    read: await may('kv/range', { key: encoded(key) }),
    write: await may('kv/put', { key: encoded(key), value: encoded('{}') }),
    remove: await may('kv/deleterange', { key: encoded(key) }),
  };
}

const NONE = { read: false, write: false, remove: false };

beforeAll(async () => {
  workspace = await openWorkspace();
  etcd = await startEtcd(await locateServer('etcd'), workspace);
  await call('auth/user/add', ROOT_USER);
  await call('auth/role/add', { name: 'root' });
  await call('auth/user/grant', { user: 'root', role: 'root' });
  await call('auth/enable', {});
  folder = await mkdtemp(join(tmpdir(), 'leasehold-etcdctl-'));
  const path = process.env['PATH'] ?? '';
  // A machine with the servers need not have their tools.
  const hasIt = path.split(delimiter).some((dir) => existsSync(join(dir, 'etcdctl')));
  if (!hasIt) await symlink(join(ROOT, 'test', 'harness', 'etcdctl.mjs'), join(folder, 'etcdctl'));
  await promisify(execFile)('sh', [ROLES, namespace], {
    env: {
      PATH: [path, folder].join(delimiter),
      ETCDCTL_ENDPOINTS: etcd.url,
      ETCDCTL_USER: `${ROOT_USER.name}:${ROOT_USER.password}`,
      REPLICA_PASSWORD: REPLICA.password,
      VIEWER_PASSWORD: VIEWER.password,
    },
  });
  cluster = await TestCluster.start({
    replicas: 2,
    servers: { ...serversForTests(), etcdUrls: [etcd.url], superuserUrl: await freshDatabase() },
    env: {
      LEASEHOLD_NAMESPACE: namespace,
      LEASEHOLD_ETCD_USERNAME: REPLICA.name,
      LEASEHOLD_ETCD_PASSWORD: REPLICA.password,
    },
  });
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  await etcd?.stop();
  await closeWorkspace(workspace);
  await rm(folder, { recursive: true });
});

describe('deploy/etcd/roles.sh', () => {
  it('lets replicas work, and take over from one that dies', async () => {
    await cluster.pushRunbook({
      runbook: 'steps',
      version: 1,
      inputs: [],
      cells: ['one', 'two'].map((id) => ({ id, exec: { command: ['true'] } })),
    });
    const subject = (...parts: string[]): string => ['leasehold', namespace, ...parts].join('.');
    const start = { instanceId: 'i', runbookId: 'steps', inputs: {}, agentId: 'a' };
    await cluster.request(subject('start'), start);
    const advance = (requestId: string, more: object) =>
      cluster.request<{ outcome: string; holder: { replicaId: string } }>(subject('advance', 'i'), {
        requestId,
        agentId: 'a',
        ...more,
      });
    const { holder } = await advance('r-1', { maxCells: 1 });
    cluster.byId(holder.replicaId).kill();
    const receipt = await advance('r-2', {});
    expect(receipt.outcome).toBe('completed');
    expect(receipt.holder.replicaId).not.toBe(holder.replicaId);
  });

  it('gives replicas their namespace, and nothing else', async () => {
    const prefix = `/leasehold/${namespace}`;
    const all = { read: true, write: true, remove: true };
    expect(await rightsOn(`${prefix}/leases/none`, REPLICA)).toEqual(all);
    expect(await rightsOn(`/leasehold/${namespace}-2/leases/none`, REPLICA)).toEqual(NONE);
    expect(await rightsOn('/leasehold/', REPLICA)).toEqual(NONE);
    expect(await rightsOn('/another', REPLICA)).toEqual(NONE);
    const token = await tokenOf(REPLICA);
    for (const [path, body] of [
      ['auth/user/add', { name: 'intruder', password: 'x' }],
      ['auth/user/grant', { user: REPLICA.name, role: 'root' }],
      ['auth/disable', {}],
    ] as const)
      expect((await call(path, body, token)).refused).toContain('permission denied');
  });

  it('gives viewers the leases and the replicas, to read', async () => {
    const env = {
      LEASEHOLD_NAMESPACE: namespace,
      LEASEHOLD_ETCD_USERNAME: VIEWER.name,
      LEASEHOLD_ETCD_PASSWORD: VIEWER.password,
    };
    for (const verb of ['leases', 'replicas'])
      expect(await cluster.cli([verb, '--json'], env)).toMatchObject({ code: 0, stderr: '' });
    const reading = { read: true, write: false, remove: false };
    expect(await rightsOn(`/leasehold/${namespace}/leases/none`, VIEWER)).toEqual(reading);
    expect(await rightsOn(`/leasehold/${namespace}/secrets`, VIEWER)).toEqual(NONE);
  });

  it('gives nothing to those who do not log in', async () => {
    expect(await rightsOn(`/leasehold/${namespace}/leases/none`)).toEqual(NONE);
    const wrong = { ...REPLICA, password: VIEWER.password };
    await expect(tokenOf(wrong)).rejects.toThrow('cannot log in');
  });
});
