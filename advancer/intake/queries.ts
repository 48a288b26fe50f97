import type { Leases } from '../../coordinator/leases.ts';
import { toWireRow } from '../../src/execution/row.ts';
import { foldRows } from '../../src/execution/state.ts';
import { cellViews, inDoubtOf, inFlightOf, statusOf } from '../../src/execution/status.ts';
import { judgeAwait, nextCell, nextStep, type InstanceView } from '../../src/execution/plan.ts';
import { isJsonObject, sameJson, type Json } from '../../src/json.ts';
import type {
  ClaimMessage,
  ReplyError,
  StartMessage,
  StatusMessage,
} from '../../src/request/messages.ts';
import { noRunbook } from '../../src/runbook/no-runbook.ts';
import type { Awaiting } from '../../src/execution/views.ts';
import type { Log } from '../log/log.ts';
import { asJson, errorReply } from './operations.ts';

/**
 * NATS refuses a message above 1 MiB. A longer log is truncated to its newest rows, and the reply
 * says so.
 */
const MAX_LOG_BYTES = 600 * 1024;

/**
 * Answers the requests that any replica may answer: `start`, `status` and `claim`. They need no
 * lease: what they write is immutable or append-only and keyed, and what they read is committed.
 */
export class Queries {
  readonly #log: Log;
  readonly #leases: Pick<Leases, 'hint'>;

  constructor(log: Log, leases: Pick<Leases, 'hint'>) {
    this.#log = log;
    this.#leases = leases;
  }

  /** Pins an instance to a runbook version. */
  async start(message: StartMessage): Promise<Json> {
    const { instanceId, runbookId, inputs, agentId } = message;
    const runbook = await this.#log.runbook(runbookId, message.version);
    if (runbook === undefined) {
      return refuse({
        code: 'not_found',
        message: `runbookId: ${noRunbook(runbookId, message.version, await this.#log.runbooks())}`,
        field: 'runbookId',
      });
    }
    const existing = await this.#log.instance(instanceId);
    const problem = existing === undefined ? inputProblem(runbook.inputs, inputs) : undefined;
    if (problem !== undefined)
      return refuse({ code: 'invalid', message: problem, field: 'inputs' });
    const version = message.version ?? existing?.version ?? runbook.version;
    const { instance, created } = await this.#log.startInstance({
      instanceId,
      runbookId,
      version,
      inputs,
      agentId,
    });
    const same =
      instance.runbookId === runbookId &&
      instance.version === version &&
      sameJson(instance.inputs, inputs);
    if (!same) {
      return refuse({
        code: 'conflict',
        message: `instance ${instanceId} exists with other content: ${instance.runbookId} version ${instance.version}`,
        field: 'instanceId',
      });
    }
    return { instanceId, runbookId, version: instance.version, created };
  }

  /** Everything that the log has on an instance. */
  async status(instanceId: string, message: StatusMessage): Promise<Json> {
    const snapshot = await this.#log.snapshot(instanceId);
    if (snapshot === undefined) {
      return refuse({
        code: 'not_found',
        message: `there is no instance ${instanceId}`,
        field: 'instanceId',
      });
    }
    // Read after the log: a receipt is committed with the last row of its request.
    const receipt =
      message.requestId === undefined ? undefined : await this.#log.receipt(message.requestId);
    const { instance, runbook, rows } = snapshot;
    const view: InstanceView = { runbook, inputs: instance.inputs, state: foldRows(rows) };
    const awaiting = await this.#awaiting(view);
    const parked = awaiting !== undefined;
    const hint = this.#leases.hint(instanceId);
    const { open, doubt, lastSeq } = view.state;
    return asJson({
      instanceId,
      runbookId: instance.runbookId,
      version: instance.version,
      status: statusOf(view, parked),
      nextCellId: nextCell(runbook, view.state)?.id ?? null,
      holder: hint === undefined ? null : { replicaId: hint.replicaId, fencingToken: hint.token },
      lastSeq,
      cells: cellViews(view, parked),
      awaiting,
      inFlight: open === undefined ? undefined : inFlightOf(open),
      inDoubt: doubt === undefined ? undefined : inDoubtOf(doubt),
      ...(message.log === true ? truncated(rows.map(toWireRow)) : {}),
      receipt: receipt?.instanceId === instanceId ? receipt : undefined,
    });
  }

  /** Records the newest status of a claim. */
  async claim(claimId: string, message: ClaimMessage): Promise<Json> {
    const { status, agentId, evidence } = message;
    const claim = await this.#log.claim({ claimId, status, agentId, evidence: evidence ?? null });
    return { claimId, revision: claim.revision, status: claim.status };
  }

  async #awaiting(view: InstanceView): Promise<Awaiting | undefined> {
    const step = nextStep(view);
    if (step.do !== 'await') return undefined;
    const judged = judgeAwait(step, await this.#log.claimStatus(step.claimId));
    return judged.do === 'park' ? judged.awaiting : undefined;
  }
}

function inputProblem(
  declared: readonly string[],
  inputs: { [name: string]: Json },
): string | undefined {
  if (!isJsonObject(inputs)) return 'inputs: must be an object';
  const missing = declared.filter((name) => !Object.hasOwn(inputs, name));
  if (missing.length > 0) return `inputs: missing ${missing.join(', ')}`;
  const unknown = Object.keys(inputs).filter((name) => !declared.includes(name));
  if (unknown.length > 0)
    return `inputs: unknown ${unknown.join(', ')}; the runbook declares ${declared.join(', ')}`;
  return undefined;
}

function truncated<T extends object>(rows: T[]): { log: T[]; logTruncated?: true } {
  let bytes = 0;
  let from = rows.length;
  while (from > 0) {
    bytes += Buffer.byteLength(JSON.stringify(rows[from - 1])) + 1;
    if (bytes > MAX_LOG_BYTES) return { log: rows.slice(from), logTruncated: true };
    from -= 1;
  }
  return { log: rows };
}

function refuse(error: ReplyError): Json {
  return errorReply(error);
}
