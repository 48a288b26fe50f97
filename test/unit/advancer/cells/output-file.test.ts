import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { readOutputFile } from '../../../../advancer/cells/output-file.ts';
import { Redaction } from '../../../../advancer/secrets/redaction.ts';
import { systemClock } from '../../../../src/time/clock.ts';
import { run } from './fixture.ts';

let kept: string;
beforeEach(() => {
  kept = mkdtempSync(join(tmpdir(), 'leasehold-kept-'));
});
afterEach(() => rmSync(kept, { recursive: true, force: true }));

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Writes its output file, moves the folder of it away, and prints something else. */
function moveAway(): string {
  return `
    folder=$(dirname "$LEASEHOLD_OUTPUT_FILE")
    echo '{"a": 1}' >"$LEASEHOLD_OUTPUT_FILE"
    echo "$folder" >"${kept}/was"
    mv "$folder" "${kept}/away"
    echo noise`;
}

describe('the output file of a command whose folder is gone when the command ends', () => {
  it('is lost, and stdout is not taken for it', async () => {
    const outcome = await run({ exec: { command: ['sh', '-c', moveAway()] } });
    const why = expect.stringContaining('LEASEHOLD_OUTPUT_FILE cannot be read') as string;
    expect(outcome).toMatchObject({ kind: 'completed', output: { outputLost: { why } } });
  });

  it('is read once the folder is back', async () => {
    const outcome = run({ exec: { command: ['sh', '-c', moveAway()] } });
    while (!existsSync(join(kept, 'away'))) await pause(10);
    // It has ended by then.
    await pause(300);
    renameSync(join(kept, 'away'), readFileSync(join(kept, 'was'), 'utf8').trim());
    expect(await outcome).toMatchObject({ kind: 'completed', output: { a: 1 } });
  });

  it('is never taken for unwritten while the folder comes and goes', async () => {
    const folder = join(kept, 'folder');
    mkdirSync(folder);
    writeFileSync(join(folder, 'output'), '{"a": 1}');
    const read = new AbortController();
    const moving = (async () => {
      while (!read.signal.aborted) {
        await rename(folder, `${folder}-away`);
        await rename(`${folder}-away`, folder);
      }
    })();
    const how = {
      limitBytes: 1024,
      ownerUid: undefined,
      mode: undefined,
      redaction: new Redaction([]),
      clock: { ...systemClock, sleep: () => systemClock.sleep(0) },
    };
    const found = [];
    for (let n = 0; n < 200; n += 1) found.push(await readOutputFile(join(folder, 'output'), how));
    read.abort();
    await moving;
    expect(found).not.toContain(undefined);
  });
});
