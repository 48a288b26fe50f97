import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { MoveName } from './moves.ts';

/** What a receiver knows of an effect. */
export type Knew =
  /** It acted, now or at an earlier time under the same key. */
  | 'acted'
  /** It said no, and has not acted under this key. */
  | 'refused'
  /** It did nothing that counts. */
  | 'nothing';

/** An effect that arrived. */
export interface Entry {
  instanceId: string;
  cellId: string;
  key: string;
  /** Undefined if the sender did not say. */
  attempt: number | undefined;
  token: number | undefined;
  knew: Knew;
  /** `cancelled`: nothing arrived, but an agent had the receiver refuse the key for good. */
  move: MoveName | 'cancelled' | 'found';
  /** Wall clock of this machine, undefined where the sender has no clock. */
  atMs: number | undefined;
}

/** What a probe answered. */
export interface ProbeEntry {
  instanceId: string;
  cellId: string;
  key: string;
  said: string;
}

/** Everything that the world outside has noted. */
export interface Noted {
  /** In the order in which they were noted. */
  effects: Entry[];
  probes: ProbeEntry[];
}

/**
 * What the world outside remembers, in files that only grow: a receiver writes an act down before
 * it answers, in one line that is appended at once. Of each key, a second file has the verdict of
 * its receiver, which the first to create it decides.
 */
export class Ledger {
  readonly file: string;
  readonly verdicts: string;

  /** @param folder an empty one; `verdicts` in it is a folder too */
  constructor(folder: string) {
    this.file = join(folder, 'ledger');
    this.verdicts = join(folder, 'verdicts');
    writeFileSync(this.file, '');
  }

  /** Notes an effect. */
  note(entry: Entry): void {
    const { instanceId, cellId, key, attempt, token, knew, move, atMs } = entry;
    const words = ['effect', instanceId, cellId, key, attempt, token, knew, move, atMs];
    this.#append(words);
  }

  /** Notes what a probe was answered. */
  noteProbe({ instanceId, cellId, key, said }: ProbeEntry): void {
    this.#append(['probe', instanceId, cellId, key, undefined, undefined, said]);
  }

  /** Decides what the receiver does to a key, unless that is decided; what holds. */
  settle(entry: Pick<Entry, 'instanceId' | 'cellId' | 'key'>, verdict: 'acted' | 'refused'): Knew {
    try {
      writeFileSync(this.#verdictFile(entry), `${verdict}\n`, { flag: 'wx' });
      return verdict;
    } catch {
      return this.verdictOn(entry) ?? 'refused';
    }
  }

  /** What the receiver has decided about a key. */
  verdictOn(entry: Pick<Entry, 'instanceId' | 'cellId' | 'key'>): Knew | undefined {
    try {
      return knewOf(readFileSync(this.#verdictFile(entry), 'utf8').trim());
    } catch {
      return undefined;
    }
  }

  /** Everything noted so far, and every act that was decided and not noted. */
  read(): Noted {
    const noted = parseLedger(readFileSync(this.file, 'utf8'));
    const acted = new Set<string>();
    for (const { knew, key } of noted.effects) if (knew === 'acted') acted.add(key);
    for (const name of readdirSync(this.verdicts)) {
      const [instanceId = '', cellId = '', run = ''] = name.split('.');
      const place = { instanceId, cellId, key: `${instanceId}/${cellId}/${run}` };
      if (this.verdictOn(place) !== 'acted' || acted.has(place.key)) continue;
      // Its process was killed between the act and the note.
      const unknown = { attempt: undefined, token: undefined, atMs: undefined };
      noted.effects.push({ ...place, ...unknown, knew: 'acted', move: 'found' });
    }
    return noted;
  }

  #append(words: (string | number | undefined)[]): void {
    const texts = words.map((word) => (word === undefined || word === '' ? '-' : String(word)));
    appendFileSync(this.file, `${texts.join(' ')}\n`);
  }

  #verdictFile({ instanceId, cellId, key }: Pick<Entry, 'instanceId' | 'cellId' | 'key'>): string {
    return join(this.verdicts, `${instanceId}.${cellId}.${key.split('/').at(-1)}`);
  }
}

/**
 * Reads a ledger's text.
 *
 * @throws Error that names the line which is not of this form
 */
export function parseLedger(text: string): Noted {
  const noted: Noted = { effects: [], probes: [] };
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const [what, instanceId = '', cellId = '', key = '', attempt, token, said = '', move, at] =
      line.split(' ');
    const place = { instanceId, cellId, key };
    const knew = knewOf(said);
    if (what === 'probe') noted.probes.push({ ...place, said });
    else if (what === 'effect' && knew !== undefined) {
      noted.effects.push({
        ...place,
        attempt: numberOf(attempt),
        token: numberOf(token),
        knew,
        move: move as MoveName,
        atMs: numberOf(at),
      });
    } else throw new Error(`line ${index + 1} of the ledger cannot be read: ${line}`);
  }
  return noted;
}

function knewOf(text: string): Knew | undefined {
  return text === 'acted' || text === 'refused' || text === 'nothing' ? text : undefined;
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || text === '-' ? undefined : Number(text);
}
