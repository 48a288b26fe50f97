import type { Json } from '../../src/json.ts';
import { placeholdersOf } from '../../src/runbook/placeholder.ts';
import type { Effect } from '../../src/runbook/runbook.ts';
import type { Secrets } from '../secrets/secrets.ts';
import type { Unfit } from './cells.ts';

/** An effect is asked about before each of its attempts, and never changes. */
const known = new WeakMap<Effect, readonly string[]>();

/** The names of the secrets that an effect receives. */
function secretsOf(effect: Effect): readonly string[] {
  if ('handler' in effect) return [];
  let names = known.get(effect);
  if (names === undefined) {
    const found = placeholdersOf(effect as Json).flatMap(({ placeholder }) =>
      placeholder?.root === 'secrets' ? placeholder.path : [],
    );
    names = [...new Set(found)].sort();
    known.set(effect, names);
  }
  return names;
}

/** Why this replica cannot give an effect its secrets; undefined if it can. */
export function lacksSecrets(effect: Effect, secrets: Secrets): Unfit | undefined {
  const names = secretsOf(effect);
  const missing = names.filter((name) => secrets.value(name) === undefined);
  if (missing.length === 0) return undefined;
  const what = missing.length === 1 ? 'secret' : 'secrets';
  const why = `this replica has no ${what} ${missing.join(', ')} (LEASEHOLD_SECRETS_DIR)`;
  return { why, secrets: names };
}
