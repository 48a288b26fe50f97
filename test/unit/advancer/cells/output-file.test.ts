import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

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
});
