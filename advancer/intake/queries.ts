import type { Leases } from '../../coordinator/leases.ts';
import type { Bus } from '../../src/bus/bus.ts';
import { toWireRow, type Row } from '../../src/execution/row.ts';
import type { Cancelled } from '../../src/execution/ending.ts';
import type { InstanceState } from '../../src/execution/state.ts';
import {
  cancelledOf,
  cellViews,
  inDoubtOf,
  inFlightOf,
  statusOf,
  unwindingOf,
} from '../../src/execution/status.ts';
import { nextCell } from '../../src/execution/plan.ts';
import { jsonOf, type Json } from '../../src/json.ts';
import type {
  ClaimMessage,
  ReplyError,
  RunbookGetMessage,
  StartMessage,
  StatusMessage,
} from '../../src/request/messages.ts';
import { fitReceipt } from '../../src/request/fit-receipt.ts';
import type { StatusReply } from '../../src/request/status-reply.ts';
import type { CancelledView } from '../../src/execution/views.ts';
import { noRunbook } from '../../src/runbook/no-runbook.ts';
import { ClaimExhausted, type Claim, type Log } from '../log/log.ts';
import { childrenLeft } from '../run/children.ts';
import { doubtEvidence, ownWord } from '../run/evidence.ts';
import { parkedOn } from '../run/parked-on.ts';
import { parkedView } from '../run/rest.ts';
import { viewOf } from '../run/view-of.ts';
import { didYouMean } from '../../src/runbook/nearest.ts';
import type { DueWork } from '../due/due-work.ts';
import { errorReply } from './operations.ts';
import { startInstance } from './start-instance.ts';
import { fitStatus } from './status-limits.ts';

/** What {@link Queries} needs from the rest of the replica. */
export interface QueriesOptions {
  log: Log;
  leases: Pick<Leases, 'hint'>;
  bus: Pick<Bus, 'maxBytes'>;
  /** Instances that may go on by themselves. */
  due: Pick<DueWork, 'look' | 'noted'>;
}

/**
 * Answers the requests that any replica may answer: `start`, `runbook.get`, `status` and `claim`.
 * They need no lease: what they write is immutable or append-only and keyed, and what they read is
 * committed.
 */
export class Queries {
  readonly #log: Log;
  readonly #leases: Pick<Leases, 'hint'>;
  readonly #bus: Pick<Bus, 'maxBytes'>;
  readonly #due: Pick<DueWork, 'look' | 'noted'>;

  constructor({ log, leases, bus, due }: QueriesOptions) {
    this.#log = log;
    this.#leases = leases;
    this.#bus = bus;
    this.#due = due;
  }

  /** Pins an instance to a runbook version. */
  start(message: StartMessage): Promise<Json> {
    return startInstance(this.#log, message, (instanceId) => this.#due.look(instanceId));
  }

  /** A stored runbook: the given version, or the newest. */
  async runbook({ runbookId, version }: RunbookGetMessage): Promise<Json> {
    const runbook = await this.#log.runbook(runbookId, version);
    if (runbook === undefined) {
      return refuse({
        code: 'not_found',
        message: `runbookId: ${noRunbook(runbookId, version, await this.#log.runbooks())}`,
        field: 'runbookId',
      });
    }
    const bytes = Buffer.byteLength(JSON.stringify(runbook));
    const maxBytes = this.#bus.maxBytes();
    if (bytes <= maxBytes) return jsonOf(runbook);
    const why = `the runbook has ${bytes} bytes, and the NATS server's max_payload is ${maxBytes}: raise it, or read the database (leasehold runbook show ${runbookId} --version ${runbook.version})`;
    return refuse({ code: 'unavailable', message: why });
  }

  /** What the log has on an instance, cut to the size of a message. */
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
    const { cellId } = message;
    const view = viewOf(snapshot);
    const waits = await parkedOn(this.#log, instanceId, view);
    const parked = typeof waits === 'object';
    const cells = cellViews(view, parked);
    if (cellId !== undefined && !cells.some((cell) => cell.cellId === cellId)) {
      const near = didYouMean(
        cellId,
        cells.map((cell) => cell.cellId),
      );
      return refuse({
        code: 'not_found',
        message: `cellId: ${instance.runbookId} version ${instance.version} has no cell ${cellId}${near}`,
        field: 'cellId',
      });
    }
    const hint = this.#leases.hint(instanceId);
    const maxBytes = this.#bus.maxBytes();
    const { open, lastSeq, unwinding, cancelled } = view.state;
    const reply = {
      instanceId,
      runbookId: instance.runbookId,
      version: instance.version,
      title: runbook.title,
      status: statusOf(view, parked),
      nextCellId: nextCell(runbook, view.state)?.id ?? null,
      holder: hint === undefined ? null : { replicaId: hint.replicaId, fencingToken: hint.token },
      lastSeq,
      unattended: instance.unattended === true,
      // Nobody moves an attended instance but who asks.
      due: waits === 'over' && instance.unattended !== true ? true : undefined,
      ...(parked && parkedView(waits)),
      ...(await this.#cancelling(instanceId, view.state)),
      parent: instance.parent,
      schedule: instance.schedule,
      unwinding: unwinding && unwindingOf(unwinding),
      cancelled: cancelled && (await this.#cancelled(cancelled, rows)),
      inFlight: open === undefined ? undefined : inFlightOf(open),
      inDoubt: await this.#inDoubt(instanceId, view.state),
      receipt: receipt?.instanceId === instanceId ? fitReceipt(receipt, maxBytes / 2) : undefined,
    };
    const fitted = fitStatus({
      cells,
      cellId,
      log: message.log === true ? rows.map(toWireRow) : undefined,
      otherBytes: Buffer.byteLength(JSON.stringify(reply)),
      maxBytes,
    });
    if (!fitted.fits) {
      const why = `${fitted.why}; the NATS server's max_payload is ${maxBytes} bytes: raise it, or read leasehold.executions in Postgres`;
      return refuse({ code: 'unavailable', message: why });
    }
    const { fits: _, ...cut } = fitted;
    return jsonOf({ ...reply, ...cut });
  }

  /** Records the newest status of a claim. */
  async claim(claimId: string, message: ClaimMessage): Promise<Json> {
    const { status, agentId, evidence } = message;
    let claim: Claim;
    try {
      claim = await this.#log.claim({ claimId, status, agentId, evidence: evidence ?? null });
    } catch (cause) {
      if (!(cause instanceof ClaimExhausted)) throw cause;
      return refuse({ code: 'conflict', message: cause.message, field: 'claimId' });
    }
    this.#due.noted();
    return { claimId, revision: claim.revision, status: claim.status };
  }

  /** A doubt with what its holder reported late, which may be what a person needs to know. */
  async #inDoubt(instanceId: string, { doubt, newestAttempt }: InstanceState) {
    if (doubt === undefined) return undefined;
    const { cellId, attempt } = doubt;
    const late = await this.#log.lateOutcomes(instanceId, cellId, attempt);
    return { ...inDoubtOf(doubt), ...doubtEvidence(doubt, ownWord(late, newestAttempt)) };
  }

  /** What was left, with what its holder reported late. */
  async #cancelled(cancelled: Cancelled, rows: readonly Row[]): Promise<CancelledView> {
    const left = await Promise.all(
      cancelled.left.map(async ({ cellId, attempt }) => {
        const own = rows.filter((row) => row.cellId === cellId && row.attempt === attempt);
        const opened = own.find(({ kind }) => kind === 'started');
        const happened = own.some(
          ({ kind, body }) => kind === 'interrupted' && body['happened'] === true,
        );
        const late = await this.#log.lateOutcomes(rows[0]!.instanceId, cellId, attempt);
        return { cellId, attempt, ...doubtEvidence({ happened }, ownWord(late, opened)) };
      }),
    );
    return { ...cancelledOf(cancelled), left };
  }

  /** The children that are to be cancelled with the instance, until all have ended. */
  async #cancelling(
    instanceId: string,
    { cancelled, unwinding }: InstanceState,
  ): Promise<Pick<StatusReply, 'children'>> {
    if ((cancelled ?? unwinding)?.children !== true) return {};
    const children = await childrenLeft(this.#log.children, instanceId);
    return children === undefined ? {} : { children };
  }
}

function refuse(error: ReplyError): Json {
  return errorReply(error);
}
