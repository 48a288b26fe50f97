import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { CellOutcome } from '../../../../advancer/cells/cells.ts';
import type { Handler } from '../../../../src/runbook/handler.ts';
import type { OutputMode } from '../../../../src/runbook/runbook.ts';
import { CONTEXT, Folder, run, runnerWith } from './fixture.ts';
import { runHandler } from './handler-fixture.ts';
import { call, closeServers, serve } from './scripted-server.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await Folder.make();
});
afterAll(() => folder.remove());
afterEach(closeServers);

/** Every way in which bytes become an output; each gives the cell's outcome. */
type Give = (bytes: Buffer, output?: OutputMode) => Promise<CellOutcome>;

async function command(script: string, bytes: Buffer, output?: OutputMode): Promise<CellOutcome> {
  const file = await folder.script('bytes', '');
  const { writeFile } = await import('node:fs/promises');
  await writeFile(file, bytes);
  return run({
    exec: { command: ['sh', '-c', script, file] },
    ...(output === undefined ? {} : { output }),
  });
}
const stdout: Give = (bytes, output) => command('cat "$0"', bytes, output);
const file: Give = (bytes, output) => command('cat "$0" > "$LEASEHOLD_OUTPUT_FILE"', bytes, output);
const body: Give = async (bytes, output) => {
  const { url } = await serve((_, response) => response.end(bytes));
  return call({ url }, output === undefined ? {} : { output });
};

const TEXTS = [
  ['stdout', stdout],
  ['body', body],
] as const;
const SOURCES = [...TEXTS, ['file', file]] as const;

describe.each(TEXTS)('%s', (key, give) => {
  it.each(['1.10', '12345678901234567890', '1234e56', '007', 'null', 'true', '"text"', 'a{}', ''])(
    'that is %s is kept as text',
    async (text) => {
      expect(await give(Buffer.from(text))).toMatchObject({
        kind: 'completed',
        output: { [key]: text },
      });
    },
  );

  it('that is an object or an array is read as JSON, else kept as text', async () => {
    expect(await give(Buffer.from(' \n{"a": 1.10}\n'))).toMatchObject({ output: { a: 1.1 } });
    expect(await give(Buffer.from('[1]'))).toMatchObject({ output: [1] });
    expect(await give(Buffer.from('{"a": 1'))).toMatchObject({ output: { [key]: '{"a": 1' } });
    const deep = `${'['.repeat(200)}${']'.repeat(200)}`;
    expect(await give(Buffer.from(deep))).toMatchObject({ output: { [key]: deep } });
  });
});

describe.each(SOURCES)('with output: json, %s', (_, give) => {
  it('may be any JSON', async () => {
    expect(await give(Buffer.from('1.10\n'), 'json')).toMatchObject({ output: 1.1 });
    expect(await give(Buffer.from('"text"'), 'json')).toMatchObject({ output: 'text' });
    expect(await give(Buffer.from('null'), 'json')).toMatchObject({ output: null });
  });

  it('that is a number which would change is kept as text, and listed', async () => {
    expect(await give(Buffer.from('12345678901234567890\n'), 'json')).toMatchObject({
      kind: 'completed',
      output: '12345678901234567890',
      detail: { numbersAsText: [''] },
    });
  });
});

describe.each(SOURCES)('with output: text, %s', (key, give) => {
  it('is kept as it is, whatever it looks like', async () => {
    for (const text of ['{"a": 1.10}\n', '[1]', '12345678901234567890', ''])
      expect(await give(Buffer.from(text), 'text')).toMatchObject({
        kind: 'completed',
        output: { [key]: text },
      });
  });
});

describe.each(SOURCES)('%s', (key, give) => {
  it('keeps numbers that would change as text, and lists where they are', async () => {
    const text = '{"id": 12345678901234567890, "rates": [0.1, 1e400], "n": 0.10000000000000000555}';
    expect(await give(Buffer.from(text))).toMatchObject({
      kind: 'completed',
      output: {
        id: '12345678901234567890',
        rates: [0.1, '1e400'],
        n: '0.10000000000000000555',
      },
      detail: { numbersAsText: ['/id', '/rates/1', '/n'] },
    });
  });

  it('lists at most a hundred of them, and says how many there are', async () => {
    const text = JSON.stringify(Array.from({ length: 150 }, () => 0)).replaceAll('0', '1e999');
    const { detail } = await give(Buffer.from(text));
    expect(detail).toMatchObject({ numbersAsTextInAll: 150 });
    expect(detail['numbersAsText']).toHaveLength(100);
  });

  it('is read past a byte-order mark', async () => {
    const marked = (text: string): Buffer => Buffer.from(`\uFEFF${text}`);
    expect(await give(marked('{"a": 1}'))).toMatchObject({ output: { a: 1 } });
    expect(await give(marked('plain'), 'text')).toMatchObject({ output: { [key]: 'plain' } });
  });

  it('that is not UTF-8 is marked', async () => {
    const latin1 = Buffer.from('{"a": "Käse"}', 'latin1');
    expect(await give(latin1)).toMatchObject({
      kind: 'completed',
      output: { a: 'K\uFFFDse' },
      detail: { notUtf8: true },
    });
    const { detail } = await give(Buffer.from('{"a": "Käse"}'));
    expect(detail).not.toHaveProperty('notUtf8');
  });
});

describe('a handler', () => {
  it('may return a BigInt: a number if that keeps its value, else text, and listed', async () => {
    const give = (): unknown => ({
      small: 5n,
      large: [12345678901234567890n],
      at: { toJSON: () => ({ n: -12345678901234567890n }) },
    });
    expect(await runHandler(give as Handler)).toMatchObject({
      kind: 'completed',
      output: {
        small: 5,
        large: ['12345678901234567890'],
        at: { n: '-12345678901234567890' },
      },
      detail: { numbersAsText: ['/large/0', '/at/n'] },
    });
  });

  it('never gives -0, which the log does not know', async () => {
    const outcome = await runHandler(() => [-0]);
    const [zero] = (outcome as unknown as { output: number[] }).output;
    expect(Object.is(zero, 0)).toBe(true);
  });
});

describe('a probe', () => {
  it('keeps numbers of its output as text, and lists where they are in that output', async () => {
    const printed =
      '{"answer": "happened", "seen": 1e400, "output": {"id": 12345678901234567890, "n": 1}}';
    const exec = { command: ['printf', '%s', printed] };
    expect(await runnerWith().probe(exec, CONTEXT, new AbortController().signal)).toEqual({
      answer: 'happened',
      output: { id: '12345678901234567890', n: 1 },
      detail: { numbersAsText: ['/id'] },
    });
  });
});

describe('an answer with an encoding that nobody asked for', () => {
  const encoded = async (encoding: string, bytes: Buffer): Promise<CellOutcome> => {
    const { url, received } = await serve((_, response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end(bytes),
    );
    const outcome = await call({ url, headers: { 'Accept-Encoding': 'gzip' } });
    expect(received[0]?.headers['accept-encoding']).toBe('identity');
    return outcome;
  };
  const text = Buffer.from('{"id": 12345678901234567890}');

  it.each<[string, Buffer]>([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['br', brotliCompressSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
    ['identity', text],
  ])('%s is decoded', async (encoding, bytes) => {
    expect(await encoded(encoding, bytes)).toMatchObject({
      kind: 'completed',
      output: { id: '12345678901234567890' },
      detail: { status: 200, numbersAsText: ['/id'] },
    });
  });

  it('but no body needs no decoding', async () => {
    expect(await encoded('gzip', Buffer.alloc(0))).toMatchObject({ output: { body: '' } });
  });
});
