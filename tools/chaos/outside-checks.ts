import type { Evidence } from '../../src/audit/evidence.ts';
import type { Breach } from '../../src/audit/check.ts';
import { FamilyChecks } from './family-checks.ts';
import type { CheckResult } from './record.ts';
import { undoFaults } from './undo-checks.ts';
import type { WitnessedEffect } from './witness.ts';

/** Something that the witness saw, and that the log says otherwise. */
export type Fault = Pick<Breach, 'check' | 'guarantee' | 'seqs' | 'what'>;

/** What these checks are about, and the guarantee behind each. */
const CHECKS = [
  { name: 'undo-seen-once', guarantee: 5, of: 'undo' },
  { name: 'undo-seen-in-reverse', guarantee: 3, of: 'undo' },
  { name: 'child-seen-once', guarantee: 5, of: 'family' },
  { name: 'parent-seen-last', guarantee: 5, of: 'family' },
] as const;

const LOOKED_AT = { undo: 'cells to undo', family: 'elements' } as const;

/**
 * Checks of undo and of children that rest on what the witness saw: those of the audit read the log
 * alone, which could be wrong in the same way as the replica that wrote it.
 */
export class OutsideChecks {
  readonly #effects: ReadonlyMap<string, readonly WitnessedEffect[]>;
  readonly #families: FamilyChecks;
  readonly #found: Omit<Breach, 'severity'>[] = [];
  readonly #checked = { undo: 0, family: 0 };
  #undone = 0;

  /** @param effects what the witness saw, by instance, in order of arrival */
  constructor(effects: ReadonlyMap<string, readonly WitnessedEffect[]>) {
    this.#effects = effects;
    this.#families = new FamilyChecks(effects);
  }

  /** Takes in one instance of the log. @returns its breaches that are known already */
  look(evidence: Evidence): Omit<Breach, 'severity'>[] {
    const { instanceId, children = [] } = evidence;
    const { looked, faults } = undoFaults(evidence, this.#effects.get(instanceId) ?? []);
    if (looked > 0) this.#checked.undo += 1;
    if (children.length > 0) this.#checked.family += 1;
    this.#undone += looked;
    this.#families.add(evidence);
    const found = faults.map((fault) => ({ ...fault, instanceId }));
    this.#found.push(...found);
    return found;
  }

  /** Judges what needs all instances. @returns the breaches that this adds */
  finish(): Omit<Breach, 'severity'>[] {
    const found = this.#families.faults();
    this.#found.push(...found);
    return found;
  }

  /** The results, once it has finished. */
  results(): CheckResult[] {
    const counts = { undo: this.#undone, family: this.#families.looked };
    return CHECKS.map(({ name, guarantee, of }) => ({
      name,
      guarantee,
      checked: this.#checked[of],
      breaches: this.#found.filter(({ check }) => check === name).length,
      looked: { at: LOOKED_AT[of], count: counts[of] },
    }));
  }
}
