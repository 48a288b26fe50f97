import type { Figure } from './figure.ts';

/** What a run reports while it goes on. */
export type BenchEvent =
  /** The current step. */
  | { kind: 'note'; text: string }
  /** A scenario begins. */
  | { kind: 'scenario'; name: string; text: string }
  | { kind: 'figure'; figure: Figure }
  /** A scenario could not be measured. The run goes on with the next one. */
  | { kind: 'failure'; scenario: string; why: string };

/** How a scenario reports its progress, and learns that it should stop. */
export interface Progress {
  note(text: string): void;
  /** Records a figure and reports it. */
  figure(figure: Figure): void;
  /** Aborts when the run is to end. */
  stop: AbortSignal;
}

/** The run was interrupted. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor() {
    super('interrupted');
  }
}

/** @throws Interrupted once the run is to end */
export function throwIfStopped(stop: AbortSignal): void {
  if (stop.aborted) throw new Interrupted();
}

/** Operations ended otherwise than they should, so the figure would not mean what it says. */
export class UnexpectedOutcome extends Error {
  override readonly name = 'UnexpectedOutcome';
}
