import { answerRules } from './answer-rules.ts';
import { effectRules } from './effect-rules.ts';
import { endingRules } from './ending-rules.ts';
import type { Evidence } from './evidence.ts';
import type { Breach } from './rules.ts';
import { timeRules } from './time-rules.ts';
import { undoRules } from './undo-rules.ts';

/** What a check of one instance found. */
export interface Finding {
  breaches: Breach[];
  /** What was seen, such as `ended cancelled`: a check that saw nothing proves nothing. */
  seen: string[];
}

/**
 * Compares what was planned for one instance, what the receiver witnessed and what agents were told
 * with the log. Pure, and without any code of the product.
 */
export function check(evidence: Evidence): Finding {
  const finding: Finding = { breaches: [], seen: [] };
  const { instanceId } = evidence.life;
  for (const rules of [endingRules, effectRules, undoRules, answerRules, timeRules])
    rules(
      evidence,
      (rule, what) => finding.breaches.push({ rule, instanceId, what }),
      (what) => finding.seen.push(what),
    );
  return finding;
}
