import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { ErrorReply, StatusReply, read } from './shapes.ts';

let cluster: TestCluster;

const print = (bytes: number): object => ({
  command: ['node', '-e', `process.stdout.write('x'.repeat(${bytes}))`],
});

beforeAll(async () => {
  cluster = await TestCluster.start({ replicas: 1 });
  await cluster.pushRunbook({
    runbook: 'long',
    version: 1,
    inputs: [],
    cells: [
      ...Array.from({ length: 10 }, (_, n) => ({ id: `c${n}`, exec: print(200_000) })),
      { id: 'short', exec: print(8_000) },
      { id: 'last', assert: [{ cell: 'short', pointer: '/stdout', equals: 'y' }] },
    ],
  });
  await cluster.start('long', 'long');
  await cluster.advance('long', 'long-1');
});

afterAll(() => cluster?.stop());

describe('a status of two megabytes of outputs', () => {
  it('fits in a message: outputs are cut to 8 KiB, and marked', async () => {
    const reply = read(StatusReply, await cluster.status('long'));
    for (const cell of reply.cells.slice(0, 10)) {
      expect(cell.outputTruncated).toBe(true);
      expect(Buffer.byteLength(JSON.stringify(cell.output))).toBeLessThanOrEqual(8 * 1024);
      expect(cell.output).toMatch(/^\{"stdout":"xxx/);
    }
    expect(reply.cells[10]).toMatchObject({ output: { stdout: 'x'.repeat(8_000) } });
    expect(reply.cells[10]?.outputTruncated).toBeUndefined();
  });

  it('fits in a message with its log too', async () => {
    const reply = read(StatusReply, await cluster.status('long', { log: true }));
    expect(reply.logTruncated).toBe(true);
    expect(reply.log?.at(-1)).toMatchObject({ cell_id: 'last', kind: 'refuted' });
  });

  it('returns the whole output of the cell that is asked for', async () => {
    const reply = read(StatusReply, await cluster.status('long', { cellId: 'c0' }));
    expect(reply.cells[0]).toMatchObject({ output: { stdout: 'x'.repeat(200_000) } });
    expect(reply.cells[0]?.outputTruncated).toBeUndefined();
    expect(reply.cells[1]?.outputTruncated).toBe(true);
    const shown = await cluster.cli(['status', 'long', '--cell', 'c0']);
    expect(shown.stdout).toContain('x'.repeat(200_000));
    const json = await cluster.cli(['status', 'long', '--cell', 'c0', '--json']);
    const printed = read(StatusReply, JSON.parse(json.stdout));
    expect(printed.cells[0]?.output).toEqual({ stdout: 'x'.repeat(200_000) });
  });

  it('names a cell that the runbook does not have', async () => {
    const { error } = read(ErrorReply, await cluster.status('long', { cellId: 'shrt' }));
    expect(error).toMatchObject({ code: 'not_found', field: 'cellId' });
    expect(error.message).toContain('did you mean short?');
  });

  it('says why the instance halted, for programs and in the terminal', async () => {
    const reply = read(StatusReply, await cluster.status('long'));
    expect(reply.cells.at(-1)).toMatchObject({ cellId: 'last', state: 'refuted' });
    expect(reply.cells.at(-1)?.error?.message).toMatch(/^short \/stdout is "xxx.*, expected "y"$/);
    const shown = await cluster.cli(['status', 'long']);
    expect(shown.stdout).toMatch(/\nlast refuted: short \/stdout is "xxx.*, expected "y"\n/);
    expect(shown.stdout).toContain('leasehold status long --log');
  });
});
