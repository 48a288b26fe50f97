import type { Figure } from './figure.ts';

/** What a run tells while it goes on. */
export type BenchEvent =
  /** What is being done just now. */
  | { kind: 'note'; text: string }
  /** A scenario begins. */
  | { kind: 'scenario'; name: string; text: string }
  | { kind: 'figure'; figure: Figure }
  /** A scenario could not be measured; the next one is. */
  | { kind: 'failure'; scenario: string; why: string };

/** How a scenario is told to go on, and tells. */
export interface Progress {
  tell(event: BenchEvent): void;
  note(text: string): void;
  /** Takes a figure in, and tells of it. */
  figure(figure: Figure): void;
  /** Aborts when the run is to end. */
  stop: AbortSignal;
}

/** A run that was broken off. */
export class BrokenOff extends Error {
  override readonly name = 'BrokenOff';

  constructor() {
    super('broken off');
  }
}

/** @throws BrokenOff once the run is to end */
export function goOn(stop: AbortSignal): void {
  if (stop.aborted) throw new BrokenOff();
}

/** Operations that ended otherwise than they should have: the figure would be of something else. */
export class WrongOutcome extends Error {
  override readonly name = 'WrongOutcome';
}
