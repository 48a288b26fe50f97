/**
 * The public API: the agent client, runbooks in TypeScript, and the types that go over the wire.
 */

export { Agent } from './agent/agent.ts';
export type {
  AdvanceOptions,
  AgentOptions,
  CancelOptions,
  ClaimOptions,
  DecideOptions,
  EnqueueOptions,
  RunbookOptions,
  StartOptions,
  StatusOptions,
  WatchOptions,
} from './agent/options.ts';
export type { AgentSchedules, ScheduleOptions } from './agent/schedules.ts';
export type { Enqueued } from './agent/enqueue.ts';
export { LeaseholdError } from './agent/error.ts';
export type { RowWatch } from './agent/watch.ts';
export type { RowPosition } from './request/rows.ts';

export { defineRunbook } from './runbook/define.ts';
export type { RunbookDefinition } from './runbook/define.ts';
export { RunbookError } from './runbook/problem.ts';
export type { Cell, Runbook } from './runbook/runbook.ts';

export { NotBegun, OutcomeUnknown } from './execution/handler-error.ts';
export type { Handler, HandlerCall } from './runbook/handler.ts';

export { fromWireRow, toWireRow } from './execution/row.ts';
export type { Row, RowKind, Verdict, WireRow } from './execution/row.ts';
export type { CellState, CellView, InstanceStatus } from './execution/status.ts';
export type { ErrorCode } from './request/messages.ts';
export type {
  Awaiting,
  CancelledView,
  ChildrenView,
  DoubtEvidence,
  InDoubt,
  InFlight,
  LeftDoubt,
  ParentView,
  Step,
  TickOriginView,
  UnwindingView,
  Waiting,
} from './execution/views.ts';
export type { Holder, Outcome, Receipt } from './request/receipt.ts';
export type {
  CancelReply,
  ClaimReply,
  DecideReply,
  InstanceEvent,
  StartReply,
  StatusReply,
} from './request/status-reply.ts';
export type {
  ListedSchedule,
  ScheduleDetails,
  ScheduleList,
  ScheduleReply,
  TickView,
} from './request/schedule-reply.ts';
export type { Json, JsonObject } from './json.ts';
