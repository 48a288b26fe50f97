import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { CellOutcome } from '../../../../advancer/cells/cells.ts';
import type { ExecCell } from '../../../../src/runbook/runbook.ts';
import { attempt, cell, CONTEXT, Folder, isAlive, run, runnerWith } from './fixture.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await Folder.make();
});
afterAll(() => folder.remove());

/** Runs a shell script's text as a command. */
function sh(script: string, fields: Partial<ExecCell> = {}, options = {}): Promise<CellOutcome> {
  return run({ exec: { command: ['sh', '-c', script] }, ...fields }, options);
}

/** Starts a script that says `ready` by writing its pid to a file, and waits for that. */
async function started(
  name: string,
  script: string,
  fields: Partial<ExecCell> = {},
): Promise<ReturnType<typeof attempt> & { outcome: Promise<CellOutcome>; pid: number }> {
  const one = attempt();
  const command = ['sh', '-c', script, 'sh', folder.file(name)];
  const outcome = runnerWith().run(cell({ exec: { command }, ...fields }), CONTEXT, one.signals);
  return { ...one, outcome, pid: Number(await folder.written(name)) };
}

describe('a command that is stopped', () => {
  /** Writes its pid, and runs on with a child in its group until it is stopped. */
  const PATIENT = 'sleep 60 & echo $! > "$1.child"; echo $$ > "$1"; wait';

  it('on time-out is unknown, and ended with its whole group', async () => {
    const { outcome, pid } = await started('timeout', PATIENT, { timeout: '100ms' });
    const child = Number(await folder.written('timeout.child'));
    expect(await outcome).toMatchObject({
      kind: 'unknown',
      reason: 'timeout',
      detail: { signal: 'SIGTERM' },
    });
    expect([isAlive(pid), isAlive(child)]).toEqual([false, false]);
  });

  it('on shutdown is unknown, whatever its policy', async () => {
    const { outcome, pid, abort } = await started('abort', PATIENT);
    expect(isAlive(pid)).toBe(true);
    abort();
    expect(await outcome).toMatchObject({ kind: 'unknown', reason: 'aborted' });
    expect(isAlive(pid)).toBe(false);
  });

  it('and ignores SIGTERM, like its children, is killed by SIGKILL after the grace period', async () => {
    const script = `trap '' TERM; sh -c 'trap "" TERM; while :; do sleep 0.05; done' & echo $! > "$1.child"; echo $$ > "$1"; while :; do wait; done`;
    const { outcome, pid, abort } = await started('stubborn', script);
    const child = Number(await folder.written('stubborn.child'));
    abort();
    expect(await outcome).toMatchObject({
      kind: 'unknown',
      reason: 'aborted',
      detail: { signal: 'SIGKILL' },
    });
    expect([isAlive(pid), isAlive(child)]).toEqual([false, false]);
  });

  it('and exits with 0 is unknown: it may not have finished', async () => {
    const { outcome, abort } = await started(
      'polite',
      `trap 'exit 0' TERM; echo $$ > "$1"; sleep 60 & wait`,
    );
    abort();
    expect(await outcome).toMatchObject({
      kind: 'unknown',
      reason: 'aborted',
      detail: { exitCode: 0 },
    });
  });

  it('because its lease is lost runs on when its cell holds', async () => {
    const { outcome, lose } = await started(
      'hold',
      'echo $$ > "$1"; while [ ! -e "$1.go" ]; do sleep 0.02; done; echo 1',
    );
    lose();
    await folder.script('hold.go', '');
    expect(await outcome).toMatchObject({ kind: 'completed', output: { stdout: '1\n' } });
  });

  it.each(['rerun', 'probe'] as const)(
    'because its lease is lost is ended when its cell is %s',
    async (onInterrupt) => {
      const { outcome, pid, lose } = await started(`lost-${onInterrupt}`, PATIENT, { onInterrupt });
      lose();
      expect(await outcome).toMatchObject({ kind: 'unknown', reason: 'aborted' });
      expect(isAlive(pid)).toBe(false);
    },
  );

  it('but exited by itself just before keeps its definite outcome', async () => {
    const { outcome, pid, abort } = await started('race', 'echo $$ > "$1"; exit 0');
    // This turn of the loop sees the exit before it can have been read, as after a freeze.
    while (isAlive(pid));
    abort();
    expect(await outcome).toMatchObject({ kind: 'completed', detail: { exitCode: 0 } });
  });

  it('and is done leaves no process of its group behind', async () => {
    const { outcome } = await started(
      'leftover',
      '(sleep 60 >/dev/null 2>&1 </dev/null & echo $! > "$1.child"); echo $$ > "$1"',
    );
    const child = Number(await folder.written('leftover.child'));
    expect(await outcome).toMatchObject({ kind: 'completed' });
    expect(isAlive(child)).toBe(false);
  });

  it('and left a child with its pipes open is not waited for', async () => {
    const outcome = await sh('sleep 60 & echo done');
    expect(outcome).toMatchObject({ kind: 'completed', output: { stdout: 'done\n' } });
  });
});
