/** What must hold of every life, in words. */
export const RULES = {
  'one-ending': 'an instance ends completed or cancelled, and never as both',
  'nothing-after-cancelled': 'no row follows `cancelled`, and no effect begins after it',
  'left-is-true': '`left` names exactly the doubts that nobody settled',
  'intent-first': 'every effect has a started row with its key and token before it',
  'one-effect-per-attempt': 'an attempt has at most one effect',
  'completed-means-happened': 'completed means that the effect happened',
  'failed-means-not-happened': 'failed means that the effect did not happen',
  'frozen-begins-nothing': 'a holder that was frozen past its lease before an effect begins none',
  'skipped-never-ran': 'a cell whose `when` does not hold never runs',
  'undo-when-unwinding': 'nothing is undone unless the log says so, and nothing else is begun then',
  'undo-in-reverse': 'satisfied cells with an undo are undone in reverse order',
  'undo-seen-in-reverse': 'the receiver sees them undone in that order, too',
  'undone-once': 'each is undone exactly once, or is in doubt and says so',
  'one-decision-counts': 'of several decisions about one attempt, exactly one counts',
  'told-is-recorded': 'what an agent was told is in the log, and in the recorded receipt',
  'conflict-has-a-reason': 'a decision or cancel is a conflict only if something else counts',
  'one-for-everyone': 'every receipt names the rows that the log has',
  'deadline-or-claim': 'a deadline passes only once it is due; a claim made before that wins',
  'wait-not-early': 'a pause ends once it is due by the database',
  'each-child-once': 'every element has one child, whose effect happened once',
  'parent-last': 'a parent goes on once all its children have ended, with all their outputs',
  'secret-nowhere': 'a secret that effects print is nowhere',
  'audit-agrees': 'leasehold audit finds nothing',
} as const;

/** The name of a rule. */
export type Rule = keyof typeof RULES;

/** A rule that does not hold. */
export interface Breach {
  rule: Rule;
  instanceId: string;
  what: string;
}

/** Reports a breach of one instance. */
export type Report = (rule: Rule, what: string) => void;
