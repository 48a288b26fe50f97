import type { Child, ChildOutputs } from '../../src/execution/children.ts';
import type { FencingToken } from '../../src/ids.ts';
import type { JsonObject } from '../../src/json.ts';

/** One instance to start as a child. */
export interface NewChild {
  n: number | null;
  /** The id that it gets, and the one that it gets instead if an instance has that id. */
  instanceId: string;
  otherId: string;
  inputs: JsonObject;
}

/** Children to start together. */
export interface ChildrenStart {
  parentId: string;
  cellId: string;
  attempt: number;
  /** The newest row of the parent, 0 for an empty log: nothing is started once it has moved on. */
  seq: number;
  /** The token of the term that starts them: nothing is started once there is a newer one. */
  fencingToken: FencingToken;
  runbookId: string;
  version: number;
  children: readonly NewChild[];
}

/** What came of starting children: all of them or none. */
export type ChildrenStarted =
  | { kind: 'started' }
  /** Another writer has started them, or has just taken an id: read the children again. */
  | { kind: 'exists'; detail: string }
  /** The parent's log has moved on: read it again. */
  | { kind: 'moved'; detail: string };

/** A parent whose cancellation extends to its children. */
export interface ParentCancel {
  parentId: string;
  reason: string;
}

/**
 * The part of the log that is about children. Reads throw `LogUnavailable` when Postgres cannot be
 * asked; so does `start`, which then may have started all of the children or none.
 */
export interface Children {
  /**
   * The instances that an instance's run cells have started, or those of one cell. Derived from
   * their logs, in one statement and at most one more for their runbooks.
   */
  of(parentId: string, cellId?: string): Promise<Child[]>;
  /**
   * Starts children in one statement, fenced by the parent's log. Their agent is the parent's.
   */
  start(start: ChildrenStart): Promise<ChildrenStarted>;
  /**
   * The outputs of completed instances: those of the smallest ones, up to `maxBytes` together, and
   * the sizes of the others.
   */
  outputs(instanceIds: readonly string[], maxBytes: number): Promise<Map<string, ChildOutputs>>;
  /** How many instances are above this one, counted up to `max`. */
  depth(instanceId: string, max: number): Promise<number>;
  /** Whether the instance's parent was cancelled, or is unwinding, together with its children. */
  cancelledParent(instanceId: string): Promise<ParentCancel | undefined>;
}
