/** A receipt as it comes over the wire. */
export interface ReceiptReply {
  requestId: string;
  instanceId: string;
  outcome: string;
  steps: { seq: number; cellId: string; kind: string; attempt: number }[];
  nextCellId: string | null;
  holder: { replicaId: string; fencingToken: number } | null;
  awaiting?: {
    cellId: string;
    claimId: string;
    statuses: string[];
    currentStatus: string | null;
    until?: string;
  };
  waiting?: { cellId: string; until: string };
  inFlight?: { cellId: string; attempt: number; requestId: string; since: string };
  inDoubt?: { cellId: string; attempt: number; reason: string; since: string };
  children?: { cellId: string; ended: number; total: number };
  unwinding?: { by: string; reason: string };
  error?: { code: string; message: string; field?: string };
}

/** A status as it comes over the wire. */
export interface StatusReply extends Omit<ReceiptReply, 'outcome' | 'steps' | 'requestId'> {
  runbookId: string;
  version: number;
  status: string;
  lastSeq: number;
  unattended?: boolean;
  due?: boolean;
  cells: { cellId: string; type: string; state: string; attempt?: number; output?: unknown }[];
  log?: Record<string, unknown>[];
  receipt?: ReceiptReply;
}

/** A row of the log as Postgres gives it. */
export interface LogRow {
  seq: number;
  fencing_token: number;
  replica_id: string;
  kind: string;
  cell_id: string;
  attempt: number;
  request_id: string | null;
  body: Record<string, unknown>;
}
