import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { FollowedProcess } from './child.ts';
import { Receiver } from './receiver.ts';
import { doubt, gate, halt, post, push, two } from './runbooks.ts';
import { WatchLine } from './row-shapes.ts';
import * as shapes from './shapes.ts';
import { NATS_ONLY, runJson } from './command-line.ts';

let cluster: TestCluster;
let receiver: Receiver;

beforeAll(async () => {
  [cluster, receiver] = await Promise.all([TestCluster.start({ replicas: 2 }), Receiver.listen()]);
  await push(cluster, post, two, gate, doubt, halt);
});

afterAll(async () => {
  await cluster?.stop();
  await receiver?.close();
});

/** Runs a verb that needs NATS only. Returns the one object on standard output. */
async function outputOf(line: string, code: number, env: NodeJS.ProcessEnv = {}): Promise<unknown> {
  const ran = await runJson(cluster, line, { ...NATS_ONLY, ...env });
  expect(ran, `of ${line}`).toMatchObject({ code });
  expect(ran.lines, `of ${line}`).toHaveLength(1);
  return ran.lines[0];
}

describe('the verbs that need NATS only, with etcd and Postgres out of reach', () => {
  it('start, advance and status print the reply as on the wire, and exit 0', async () => {
    const started = shapes.read(shapes.StartReply, await outputOf('start whole --runbook two', 0));
    expect(started).toEqual({ instanceId: 'whole', runbookId: 'two', version: 1, created: true });
    expect(await outputOf('start whole --runbook two --version 1', 0)).toEqual({
      ...started,
      created: false,
    });
    const partly = await outputOf(
      'advance whole --max-cells 1 --cell first --request-id whole-1',
      0,
    );
    expect(shapes.read(shapes.Receipt, partly).outcome).toBe('advanced');
    const receipt = await outputOf('advance whole --request-id whole-2', 0);
    expect(receipt).toEqual(await cluster.advance<unknown>('whole', 'whole-2'));
    const status = await outputOf('status whole --log --request-id whole-2', 0);
    expect(status).toEqual(await cluster.status('whole', { log: true, requestId: 'whole-2' }));
    expect(shapes.read(shapes.StatusReply, status)).toMatchObject({ status: 'completed', receipt });
  });

  it('advance exits 0 for parked; claim prints claim, revision and status', async () => {
    await outputOf('start waits --runbook gate --input claim=waits', 0);
    const parked = shapes.read(shapes.Receipt, await outputOf('advance waits', 0));
    expect(parked).toMatchObject({ outcome: 'parked', awaiting: { claimId: 'waits' } });
    const claimed = shapes.read(
      shapes.ClaimReply,
      await outputOf('claim waits waived --evidence {"by":"me"}', 0),
    );
    expect(claimed).toEqual({ claimId: 'waits', revision: 1, status: 'waived' });
    expect(await outputOf('advance waits', 0)).toMatchObject({ outcome: 'completed' });
  });

  it('advance exits 4 for in_doubt and halted; decide prints instance, seq and decision', async () => {
    await Promise.all([
      outputOf('start lost --runbook doubt', 0),
      outputOf('start broken --runbook halt', 0),
    ]);
    expect(shapes.read(shapes.Receipt, await outputOf('advance lost', 4)).outcome).toBe('in_doubt');
    expect(shapes.read(shapes.Receipt, await outputOf('advance broken', 4)).outcome).toBe('halted');
    const line = 'decide lost --cell charge --attempt 1 --as skipped --reason known';
    expect(shapes.read(shapes.DecideReply, await outputOf(line, 0))).toEqual({
      instanceId: 'lost',
      seq: 3,
      as: 'skipped',
    });
    const second = shapes.read(shapes.ErrorReply, await outputOf(line, 3));
    expect(second.error.code).toBe('conflict');
    expect(await outputOf('advance lost', 0)).toMatchObject({ outcome: 'completed' });
  });

  it('exit 3 for a refused request', async () => {
    await outputOf('start order --runbook two', 0);
    const [order, nowhere, expired] = await Promise.all([
      outputOf('advance order --cell second', 3),
      outputOf('advance nowhere', 3),
      outputOf('advance order --expires-in 0ms', 3),
    ]);
    expect(shapes.read(shapes.Receipt, order).outcome).toBe('out_of_order');
    expect(shapes.read(shapes.Receipt, nowhere).outcome).toBe('not_found');
    expect(shapes.read(shapes.Receipt, expired).outcome).toBe('expired');
    for (const [line, code] of [
      ['status nowhere', 'not_found'],
      ['start order --runbook halt', 'conflict'],
      ['start unborn --runbook nowhere', 'not_found'],
    ] as const) {
      expect(shapes.read(shapes.ErrorReply, await outputOf(line, 3)).error.code, `of ${line}`).toBe(
        code,
      );
    }
  });

  it('exit 3 for in_flight', async () => {
    const path = '/hold/cli';
    await cluster.start('busy', 'post', { url: `${receiver.url}${path}` });
    const first = cluster.advance('busy', 'busy-1');
    await receiver.arrived(path);
    expect(shapes.read(shapes.Receipt, await outputOf('advance busy', 3)).outcome).toBe(
      'in_flight',
    );
    receiver.release(path);
    expect(await first).toMatchObject({ outcome: 'completed' });
  });

  it('exit 2 for invalid input, with the error code `invalid`', async () => {
    const lines = [
      'start in-put --runbook post --input colour=red',
      'start a.b --runbook two',
      'start x --runbook two --version nought',
      'advance whole --max-cells 0',
      'advance whole --request-id a.b',
      'decide whole --cell first --attempt 1 --as perhaps --reason x',
      'advance',
      'advance whole --colour',
      'leap whole',
    ];
    const answers = await Promise.all(lines.map((line) => outputOf(line, 2)));
    for (const [index, answer] of answers.entries()) {
      expect(shapes.read(shapes.ErrorReply, answer).error.code, `of ${lines[index]}`).toBe(
        'invalid',
      );
    }
  });

  it('exit 5 when there is no answer, and advance prints an unavailable receipt', async () => {
    const empty = { LEASEHOLD_NAMESPACE: `${cluster.namespace}-empty` };
    const dead = { LEASEHOLD_NATS_URLS: 'nats://127.0.0.1:9' };
    await Promise.all(
      [empty, dead].map(async (env) => {
        const receipt = await outputOf('advance whole --timeout 1s --expires-in 1s', 5, env);
        expect(shapes.read(shapes.Receipt, receipt).outcome).toBe('unavailable');
        for (const line of ['status whole --timeout 500ms', 'claim c s --timeout 500ms']) {
          const reply = shapes.read(shapes.ErrorReply, await outputOf(line, 5, env));
          expect(reply.error.code, `of ${line}`).toBe('unavailable');
        }
      }),
    );
  });

  it('watch prints each row once, with the position to go on from, and exits 0 at Ctrl-C', async () => {
    const env = { ...cluster.env, ...NATS_ONLY };
    const one = FollowedProcess.leasehold(['watch', 'seen', '--json'], env);
    const all = FollowedProcess.leasehold(['watch', '--json'], env);
    const begun = ({ stderr }: { stderr: string }) => stderr.includes('watching ') || undefined;
    const linesOf = ({ stdout }: { stdout: string }) =>
      shapes.jsonLines(stdout).map((line) => shapes.read(WatchLine, line));
    const keysOf = (lines: ReturnType<typeof linesOf>): string[] =>
      lines.flatMap(({ rows }) => rows.map((row) => `${row.instance_id}/${row.seq}`));
    try {
      await all.until(begun);
      await one.until(({ stderr }) => stderr.includes('there is no instance seen') || undefined);
      await cluster.start('seen', 'two');
      await cluster.start('aside', 'two');
      await cluster.advance('aside', 'aside-1');
      await cluster.advance('seen', 'seen-1');
      const log = await cluster.rows('seen');
      const last = `"instance_id":"seen","seq":${log.length},`;
      for (const watch of [one, all]) {
        await watch.until(({ stdout }) => stdout.includes(last) || undefined);
        watch.signal('SIGINT');
        expect(await watch.exited).toEqual({ code: 0, signal: null });
      }
      expect(linesOf(one).flatMap(({ rows }) => rows)).toEqual(
        log.map((row) => expect.objectContaining({ seq: row.seq, kind: row.kind }) as unknown),
      );
      expect(linesOf(one).map(({ next }) => next)).toEqual(log.map(({ seq }) => seq));
      const lines = linesOf(all);
      expect(new Set(lines.map(({ instanceId }) => instanceId))).toEqual(
        new Set(['seen', 'aside']),
      );
      // The printed command goes on after the last row, and a script after any.
      const [, cursor = ''] = /to go on: leasehold watch --after (\S+)/.exec(all.stderr) ?? [];
      expect(cursor).toBe(lines.at(-1)!.next);
      const again = FollowedProcess.leasehold(
        ['watch', '--json', '--after', String(lines[0]!.next)],
        env,
      );
      try {
        await again.until(({ stdout }) => stdout.split('\n').length >= lines.length || undefined);
        expect(keysOf(linesOf(again)).toSorted()).toEqual(keysOf(lines.slice(1)).toSorted());
      } finally {
        await again.end();
      }
    } finally {
      await Promise.all([one.end(), all.end()]);
    }
  });

  it('watch says what a position must be', async () => {
    const wrong = ['watch --after made-up', 'watch --after 7', 'watch whole --after soon'];
    for (const line of wrong) {
      const { error } = shapes.read(shapes.ErrorReply, await outputOf(line, 2));
      expect(error, `at ${line}`).toMatchObject({ code: 'invalid', field: 'after' });
    }
    const beyond = shapes.read(shapes.ErrorReply, await outputOf('watch whole --after 999', 3));
    expect(beyond.error.message).toContain('pass a seq up to');
  });

  it('ignore fields of replies and events that they do not know', async () => {
    const namespace = `${cluster.namespace}-newer`;
    const reply = { instanceId: 'x', runbookId: 'two', version: 1, created: true, colour: 'red' };
    const row = { instance_id: 'x', seq: 1, fencing_token: 1, replica_id: 'r', kind: 'started' };
    const more = { cell_id: 'c', attempt: 1, body: {}, recorded_at: 'now', colour: 'red' };
    const page = { rows: [{ ...row, ...more }], next: 1, colour: 'red' };
    const subscription = cluster.nats.subscribe(`leasehold.${namespace}.start`, {
      callback: (_error, message) => void message.respond(JSON.stringify(reply)),
    });
    await cluster.nats.flush();
    const env = { LEASEHOLD_NAMESPACE: namespace };
    expect(await outputOf('start x --runbook two', 0, env)).toMatchObject({
      instanceId: 'x',
      created: true,
    });
    subscription.unsubscribe();
    const pages = cluster.nats.subscribe(`leasehold.${namespace}.rows`, {
      callback: (_error, message) => void message.respond(JSON.stringify(page)),
    });
    await cluster.nats.flush();
    const watch = FollowedProcess.leasehold(['watch', 'x', '--after', '0', '--json'], {
      ...cluster.env,
      ...NATS_ONLY,
      ...env,
    });
    try {
      expect(await watch.firstLine()).toMatchObject({ instanceId: 'x', rows: [{ colour: 'red' }] });
    } finally {
      await watch.end();
      pages.unsubscribe();
    }
  });
});

describe('without --json', () => {
  it('results go to stdout and errors to stderr, with the same exit codes', async () => {
    await cluster.start('read', 'two');
    const good = await cluster.cli(['advance', 'read'], NATS_ONLY);
    expect(good.code).toBe(0);
    expect(good.stdout).toContain('completed');
    const bad = await cluster.cli(['status', 'nowhere'], NATS_ONLY);
    expect(bad.code).toBe(3);
    expect(bad.stdout).toBe('');
    expect(bad.stderr).toContain('nowhere');
  });

  it('help names every verb of the contract that this release has', async () => {
    const { code, stdout } = await cluster.cli(['--help']);
    expect(code).toBe(0);
    for (const verb of 'dev migrate advancer runbook start advance status list watch claim decide leases replicas'.split(
      ' ',
    )) {
      expect(stdout).toMatch(new RegExp(`^\\s+${verb}\\b`, 'm'));
    }
  });
});
