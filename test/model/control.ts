import type { Guarantee } from './guarantees.ts';
import type { Rules } from './rules.ts';
import type { Scenario } from './scenario.ts';

/** One rule taken away, or several, and what becomes of it. */
export interface Control {
  name: string;
  without: Partial<Rules>;
  /** A world in which it shows. */
  scenario: Scenario;
  /** The guarantee that breaks; undefined where nothing does: the README says why. */
  breaks: Guarantee | undefined;
  /** After how many states the search gives up, where there is no end to them. */
  limit?: number;
}

/**
 * A rule that stands behind another one: without it alone nothing breaks; without both, something
 * does.
 */
export interface SecondLine {
  alone: Control;
  together: Control;
}

/**
 * A second line in one world.
 *
 * @param alone the rule that stands behind
 * @param together the rule that it stands behind, which is taken away as well
 */
export function behind(
  scenario: Scenario,
  alone: Pick<Control, 'name' | 'without'>,
  together: Omit<Control, 'scenario'> & Partial<Pick<Control, 'scenario'>>,
): SecondLine {
  const without = { ...alone.without, ...together.without };
  return {
    alone: { ...alone, scenario, breaks: undefined },
    together: { scenario, ...together, without },
  };
}
