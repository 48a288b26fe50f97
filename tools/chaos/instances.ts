import type { JsonObject } from '../../src/json.ts';
import type { InDoubt, Receipt } from '../../src/request/receipt.ts';
import type { ChaosRunbook } from './runbooks.ts';

/** A request as it was first sent, so that it can be sent again as it was. */
export interface SentRequest {
  requestId: string;
  cellId?: string | undefined;
  maxCells?: number | undefined;
  wait?: boolean | undefined;
}

/** One instance, as its agents know it. */
export interface WorkInstance {
  readonly instanceId: string;
  readonly runbook: ChaosRunbook;
  readonly claimId: string;
  readonly inputs: JsonObject;
  /** Whether an agent was told that it exists; before, nobody knows. */
  started: boolean;
  readonly sent: SentRequest[];
  /** As the newest receipt said. */
  nextCellId: string | undefined;
  doubt: InDoubt | undefined;
  parked: boolean;
  ended: boolean;
  /** How often its doubt was met and left. */
  left: number;
}

/** How many requests of an instance are kept to be asked again. */
const KEPT_REQUESTS = 20;
/** How many instances that have ended are kept for the same. */
const KEPT_ENDED = 50;

/**
 * All instances of a run: those under way, those left for the settling, and those that have ended.
 */
export class Instances {
  readonly all = new Map<string, WorkInstance>();
  /** Under way. */
  readonly live: WorkInstance[] = [];
  readonly recent: WorkInstance[] = [];

  add(instance: WorkInstance): void {
    this.all.set(instance.instanceId, instance);
  }

  /** Leaves it for the settling. */
  setAside(instance: WorkInstance): void {
    const at = this.live.indexOf(instance);
    if (at >= 0) this.live.splice(at, 1);
  }

  /** Takes in where a receipt says that the instance stands. */
  absorb(instance: WorkInstance, receipt: Receipt): void {
    switch (receipt.outcome) {
      case 'completed':
      case 'halted':
        if (instance.ended) return;
        instance.ended = true;
        this.setAside(instance);
        this.recent.push(instance);
        if (this.recent.length > KEPT_ENDED) this.recent.shift();
        return;
      case 'advanced':
      case 'parked':
      case 'in_doubt':
        instance.nextCellId = receipt.nextCellId ?? undefined;
        instance.parked = receipt.outcome === 'parked';
        instance.doubt = receipt.inDoubt;
        return;
      default:
    }
  }

  keep(instance: WorkInstance, request: SentRequest): void {
    instance.sent.push(request);
    if (instance.sent.length > KEPT_REQUESTS) instance.sent.shift();
  }

  /** Those that have not come to their end. */
  get unfinished(): WorkInstance[] {
    return [...this.all.values()].filter(({ ended }) => !ended);
  }
}
