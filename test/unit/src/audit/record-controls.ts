import { at, receiptOf } from './sample-log.ts';
import { row, until, type Control } from './evidence-edits.ts';

/** Negative controls of the checks on kept outcomes, liveness, receipts and evidence. */
export const RECORD_CONTROLS: readonly Control[] = [
  ['outcome-was-kept', 'the late outcome is gone', (e) => void (e.lateOutcomes = [])],
  [
    'outcome-was-kept',
    'an effect whose output was lost is only interrupted',
    (e) => {
      e.lateOutcomes = [];
      e.witness!.find(({ cellId }) => cellId === 'probed')!.outcome = 'unverified';
    },
  ],
  [
    'instance-of-its-tick',
    'its tick started another',
    (e) => void (e.tickOrigin = { ...e.tickOrigin!, isStarted: false }),
  ],
  [
    'instance-of-its-tick',
    'a run cell started it as well',
    (e) => void (e.parent = { instanceId: 'other', cancelsChildren: false }),
  ],
  ['outcome-has-its-effect', 'nobody saw it happen', (e) => void e.witness!.splice(0, 1)],
  ['stuck-instance', 'an attempt is open', (e) => until(e, 1)],
  ['stuck-instance', 'a doubt that the policy settles is left', (e) => until(e, 5)],
  ['stuck-instance', 'an effect that never began is left', (e) => until(e, 16)],
  ['stuck-instance', 'an instance was not driven to its end', (e) => until(e, 8)],
  [
    'open-for-long',
    'an attempt is open beyond its timeout',
    (e) => {
      until(e, 1);
      e.now = at(600);
    },
  ],
  [
    'open-for-long',
    'a doubt that the policy settles is old',
    (e) => {
      until(e, 5);
      e.now = at(600);
    },
  ],
  [
    'unbegun-waits',
    'the next attempt did not wait',
    (e) => void (row(e, 18).recordedAt = row(e, 17).recordedAt),
  ],
  ['projection-agrees', 'the line is behind', (e) => void (e.projection!.lastSeq = 18)],
  [
    'projection-agrees',
    'the line has another status',
    (e) => void (e.projection!.status = 'parked'),
  ],
  [
    'projection-agrees',
    'the line of an instance that has rested for long says running',
    (e) => {
      until(e, 8);
      e.projection = { status: 'running', nextCellId: 'again', lastSeq: 7 };
      e.now = at(69);
    },
  ],
  ['projection-agrees', 'there is no line', (e) => void (e.projection = null)],
  ['one-receipt-per-request', 'a request has two', (e) => void e.receipts.push(e.receipts[0]!)],
  [
    'one-receipt-per-request',
    'it names another request',
    (e) => void (e.receipts[0]!.receipt.requestId = 'q9'),
  ],
  [
    'one-receipt-per-request',
    'its outcome is no end',
    (e) => void (e.receipts[2]!.receipt.outcome = 'in_flight'),
  ],
  [
    'receipt-accounts-for-rows',
    'a step is missing',
    (e) => void e.receipts[0]!.receipt.steps.pop(),
  ],
  [
    'receipt-accounts-for-rows',
    'a step is made up',
    (e) => void (e.receipts[0]!.receipt.steps[0]!.attempt = 4),
  ],
  [
    'receipt-accounts-for-rows',
    'a step is missing and no seq says so',
    (e) => {
      e.receipts[0]!.receipt.steps.pop();
      delete e.receipts[0]!.lastSeq;
    },
  ],
  ['nothing-after-receipt', 'the request went on', (e) => void (row(e, 9).requestId = 'q1')],
  [
    'receipt-as-fenced-as-rows',
    'it is of an older term',
    (e) => void (e.receipts[1]!.fencingToken = 12),
  ],
  [
    'only-refusals-without-lease',
    'it says that the instance is completed',
    (e) => Object.assign(e.receipts[1]!, { fencingToken: 0, lastSeq: 0 }),
  ],
  [
    'only-refusals-without-lease',
    'it is a refusal on a log that has rows',
    (e) => void (e.receipts[2]!.fencingToken = 0),
  ],
  ['receipt-as-fenced-as-rows', 'it rests on nothing', (e) => void (e.receipts[1]!.lastSeq = 40)],
  [
    'receipt-says-what-the-log-said',
    'it says another outcome',
    (e) => {
      e.receipts[0]!.receipt.outcome = 'completed';
    },
  ],
  [
    'receipt-says-what-the-log-said',
    'it names another cell',
    (e) => {
      e.receipts[0]!.receipt.nextCellId = 'tried';
    },
  ],
  [
    'receipt-says-what-the-log-said',
    'it was given in the middle of an attempt',
    (e) => {
      e.receipts[0] = receiptOf(
        e.rows.slice(0, 7),
        'q1',
        { outcome: 'advanced', nextCellId: 'again' },
        7,
      );
    },
  ],
  [
    'receipt-says-what-the-log-said',
    'it names another doubt',
    (e) => {
      const inDoubt = { cellId: 'again', attempt: 4, reason: 'crash', since: at(5) };
      e.receipts[0] = receiptOf(
        e.rows.slice(0, 5),
        'q1',
        { outcome: 'in_doubt', nextCellId: 'again', inDoubt },
        5,
      );
    },
  ],
  [
    'told-what-is-recorded',
    'an agent got something else',
    (e) => {
      e.clientHistory = [
        { requestId: 'q1', receipt: { ...e.receipts[0]!.receipt, outcome: 'completed' } },
      ];
    },
  ],
  ['told-what-is-recorded', 'nothing is recorded', (e) => void e.receipts.splice(1, 1)],
  ['acknowledged-is-recorded', 'nothing is recorded', (e) => void e.receipts.splice(1, 1)],
  [
    'request-of-one-instance',
    'the receipt is of another',
    (e) => {
      e.receiptsElsewhere = new Map([['q2', 'j']]);
    },
  ],
  [
    'instance-on-record',
    'it was never started',
    (e) => {
      e.instance = undefined;
      e.runbook = undefined;
    },
  ],
  ['instance-on-record', 'its runbook is not there', (e) => void (e.runbook = undefined)],
  [
    'runbook-unchanged',
    'its cells were changed',
    (e) => void (e.digest = { recorded: 'a', computed: 'b' }),
  ],
  ['claim-was-made', 'nobody made the claim', (e) => void (row(e, 3).body['revision'] = 1)],
  ['claim-was-made', 'somebody else made it', (e) => void (row(e, 3).body['agentId'] = 'eve')],
  ['late-outcome-was-refused', 'no refusal is on record', (e) => void (e.refusals = [])],
  ['late-outcome-was-refused', 'it is of no attempt', (e) => void (e.lateOutcomes[0]!.attempt = 5)],
  [
    'late-outcome-was-refused',
    'the attempt was of another term',
    (e) => {
      e.lateOutcomes[0]!.fencingToken = 10;
      e.lateOutcomes[0]!.replicaId = 'rA';
    },
  ],
  [
    'late-outcome-was-refused',
    'the attempt ended by itself',
    (e) => {
      Object.assign(e.lateOutcomes[0]!, { cellId: 'again', attempt: 2 });
    },
  ],
  ['refused-outcome-was-kept', 'it was not', (e) => void (e.lateOutcomes = [])],
  ['evidence-behind-decision', 'there is none', (e) => void (e.lateOutcomes = [])],
  [
    'evidence-behind-decision',
    'it says another thing',
    (e) => void (e.lateOutcomes[0]!.body = { output: 8 }),
  ],
  [
    'evidence-behind-decision',
    'it is one that only a person can judge',
    (e) => {
      Object.assign(e.lateOutcomes[0]!, { kind: 'unverified', body: { reason: 'unverified' } });
    },
  ],
  [
    'evidence-agrees-with-decision',
    'a probe overruled that it happened',
    (e) => {
      const body = { reason: 'unverified', happened: true };
      Object.assign(e.lateOutcomes[0]!, { kind: 'unverified', body });
      row(e, 11).body = { as: 'rerun', by: '@probe', reason: 'it did not happen' };
    },
  ],
  [
    'evidence-agrees-with-decision',
    'a person decided away that it happened',
    (e) => {
      const body = { reason: 'unverified', happened: true };
      Object.assign(e.lateOutcomes[0]!, { kind: 'unverified', body });
      row(e, 11).body = { as: 'failed', by: 'ann', reason: 'looked' };
    },
  ],
  [
    'evidence-agrees-with-decision',
    'it tells another story',
    (e) => {
      row(e, 11).body = { as: 'skipped', by: 'ann', reason: 'looked' };
    },
  ],
  ['expired-ran-nothing', 'it ran something', (e) => void (row(e, 19).requestId = 'q3')],
];
