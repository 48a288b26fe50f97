import type { JsonObject } from '../../src/json.ts';
import type { InDoubt } from '../../src/execution/views.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { ChaosRunbook } from './runbook-parts.ts';

/** A request as it was first sent, so that it can be repeated unchanged. */
export interface SentRequest {
  requestId: string;
  cellId?: string | undefined;
  maxCells?: number | undefined;
  wait?: boolean | undefined;
}

/** One instance, as its agents know it. */
export interface WorkloadInstance {
  readonly instanceId: string;
  readonly runbook: ChaosRunbook;
  readonly claimId: string;
  readonly inputs: JsonObject;
  /** Whether it goes on by itself. */
  readonly unattended: boolean;
  /** Whether an agent got an answer that it exists; until then this is unknown. */
  started: boolean;
  readonly sent: SentRequest[];
  /** From the latest receipt. */
  nextCellId: string | undefined;
  doubt: InDoubt | undefined;
  parked: boolean;
  /** The cell that halted it, until that is decided. */
  halt: { cellId: string; attempt: number } | undefined;
  /** Whether a cell that halted it has been decided: the next one ends it. */
  repaired: boolean;
  ended: boolean;
  /** How often an agent saw its doubt or its failure, and left it undecided. */
  leftInDoubt: number;
  /** The newest attempt of each cell that is known to have halted it. */
  readonly halts: Map<string, number>;
  /** The instances that it has started, as far as its agents know them. */
  readonly children: WorkloadInstance[];
  /** Whether another instance waits until this one has completed or is cancelled. */
  readonly ofParent: boolean;
}

/** An instance of which nothing is known but its name. */
export function newInstance(
  instanceId: string,
  runbook: ChaosRunbook,
  {
    inputs = {},
    ofParent = false,
    unattended = ofParent,
  }: { inputs?: JsonObject; ofParent?: boolean; unattended?: boolean },
): WorkloadInstance {
  return {
    instanceId,
    runbook,
    claimId: `${instanceId}-claim`,
    inputs,
    unattended,
    started: false,
    sent: [],
    nextCellId: undefined,
    doubt: undefined,
    parked: false,
    halt: undefined,
    repaired: false,
    ended: false,
    leftInDoubt: 0,
    halts: new Map(),
    children: [],
    ofParent,
  };
}

/** The share of instances that go on by themselves, while agents ask for them all the same. */
export const UNATTENDED = 0.3;
/** How many of an instance's requests are kept to be repeated. */
const KEPT_REQUESTS = 20;
/** How many ended instances are kept for the same purpose. */
const KEPT_ENDED = 50;

/** All instances of a run: under way, set aside until settling, and ended. */
export class Instances {
  readonly all = new Map<string, WorkloadInstance>();
  /** Those under way. */
  readonly live: WorkloadInstance[] = [];
  /** The last ones that ended. */
  readonly recentlyEnded: WorkloadInstance[] = [];

  add(instance: WorkloadInstance): void {
    this.all.set(instance.instanceId, instance);
  }

  /** Takes it out of the workload until settling. */
  setAside(instance: WorkloadInstance): void {
    const at = this.live.indexOf(instance);
    if (at >= 0) this.live.splice(at, 1);
  }

  /** Updates an instance's state from a receipt. */
  apply(instance: WorkloadInstance, receipt: Receipt): void {
    switch (receipt.outcome) {
      case 'halted': {
        // Not an end: it can be repaired. Nor is it news, if the request is an old one.
        const last = receipt.steps.at(-1);
        if (last === undefined) return;
        const { cellId, attempt } = last;
        instance.halts.set(cellId, Math.max(attempt, instance.halts.get(cellId) ?? 0));
        // A parent waits for it, however often it halts.
        if (!instance.repaired || instance.ofParent) instance.halt = { cellId, attempt };
        return;
      }
      case 'completed':
      case 'cancelled':
        this.end(instance);
        return;
      case 'advanced':
      case 'parked':
      case 'in_doubt':
        instance.nextCellId = receipt.nextCellId ?? undefined;
        instance.parked = receipt.awaiting !== undefined;
        instance.halt = undefined;
        instance.doubt = receipt.inDoubt;
        return;
      default:
    }
  }

  /** It needs no more work. */
  end(instance: WorkloadInstance): void {
    if (instance.ended) return;
    instance.ended = true;
    this.setAside(instance);
    this.recentlyEnded.push(instance);
    if (this.recentlyEnded.length > KEPT_ENDED) this.recentlyEnded.shift();
  }

  /** Keeps a request so that it can be repeated later. */
  keep(instance: WorkloadInstance, request: SentRequest): void {
    instance.sent.push(request);
    if (instance.sent.length > KEPT_REQUESTS) instance.sent.shift();
  }

  /** Those that have not ended. */
  get unfinished(): WorkloadInstance[] {
    return [...this.all.values()].filter(({ ended }) => !ended);
  }
}
