import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { choosePorts, refusePortsOfGiven, rememberPorts } from '../../../../cli/dev/ports.ts';
import { freePort } from '../../../../tools/stack/free-port.ts';
import {
  KeptDirError,
  lockKeptDir,
  makeKeptDir,
  unlockKeptDir,
} from '../../../../tools/stack/kept-dir.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'leasehold-ports-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** A port that a server of this test listens on. */
async function takenPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe('the ports of leasehold dev', () => {
  it('are those of the flags, then those of the last run with the same data', async () => {
    const [etcd, nats, ledger] = [await freePort(), await freePort(), await freePort()];
    await rememberPorts(dir, { etcd, nats });
    expect(await choosePorts({ nats: ledger, ledger: nats }, dir)).toEqual({
      etcd,
      nats: ledger,
      ledger: nats,
    });
  });

  it('are free ones where nothing says otherwise, or the last ones are taken', async () => {
    expect(await choosePorts({}, undefined)).toEqual({});
    expect(await choosePorts({}, dir)).toEqual({});
    await rememberPorts(dir, { etcd: await takenPort() });
    expect(await choosePorts({}, dir)).toEqual({});
  });

  it('are refused, all at once and by flag, if they are taken', async () => {
    const port = await takenPort();
    await expect(choosePorts({ etcd: port, ledger: port }, undefined)).rejects.toThrow(
      new RegExp(`--etcd-port ${port}: another process .*\n.*--ledger-port ${port}: `),
    );
  });

  it('are refused for a server that is given', () => {
    const none = { etcdUrls: undefined, natsUrls: undefined };
    const external = { ...none, namespace: 'n', databaseUrl: undefined, ownerDatabaseUrl: 'x' };
    expect(() => refusePortsOfGiven({ etcd: 1, nats: 1 }, external)).not.toThrow();
    expect(() => refusePortsOfGiven({ postgres: 1 }, external)).toThrow(
      /--postgres-port .* remove/,
    );
  });
});

describe('a directory that keeps data', () => {
  it('serves one stack at a time, and is free again when its process is gone', async () => {
    await lockKeptDir(dir, process.pid);
    await expect(lockKeptDir(dir, 1)).rejects.toThrow(
      `in use by another stack (process ${process.pid}`,
    );
    await unlockKeptDir(dir);
    // The pid of no process.
    await writeFile(join(dir, 'stack.pid'), '4194305');
    await lockKeptDir(dir, process.pid);
  });

  it('is refused with the reason if it cannot be created', async () => {
    await writeFile(join(dir, 'file'), '');
    await expect(makeKeptDir(join(dir, 'file', 'data'))).rejects.toThrow(KeptDirError);
  });
});
