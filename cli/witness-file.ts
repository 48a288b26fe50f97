import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

import type { SeenEffect } from '../src/audit/evidence.ts';
import { readWitnessLine } from '../src/audit/witness-line.ts';
import { ConfigError } from '../src/config/config-error.ts';
import { errorText } from '../src/error-text.ts';

/**
 * Reads the file of `audit --witness`: the effects of each instance. All of them are held in
 * memory, a few hundred bytes each.
 *
 * @throws ConfigError naming the line that is wrong, or why the file cannot be read
 */
export async function readWitness(path: string): Promise<Map<string, SeenEffect[]>> {
  const effectsOf = new Map<string, SeenEffect[]>();
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  let at = 0;
  try {
    for await (const line of lines) {
      at += 1;
      if (line.trim() === '') continue;
      const read = readWitnessLine(line);
      if (!read.ok) throw new ConfigError([`--witness ${path}: line ${at}: ${read.fault}`]);
      const { effect } = read;
      const effects = effectsOf.get(effect.instanceId);
      if (effects === undefined) effectsOf.set(effect.instanceId, [effect]);
      else effects.push(effect);
    }
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError([`--witness ${path} cannot be read (${errorText(cause)})`]);
  }
  return effectsOf;
}
