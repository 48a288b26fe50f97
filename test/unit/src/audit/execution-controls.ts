import { at } from './sample-log.ts';
import { row, until, type Control } from './evidence-edits.ts';

/** Negative controls of the checks on attempts, tokens, order, decisions and effects. */
export const EXECUTION_CONTROLS: readonly Control[] = [
  ['chain-unbroken', 'a row is missing', (e) => void e.rows.splice(7, 1)],
  ['chain-unbroken', 'the first row is missing', (e) => void e.rows.splice(0, 1)],
  ['chain-unbroken', 'an outcome is of another cell', (e) => void (row(e, 2).cellId = 'again')],
  ['chain-unbroken', 'a decision has no verdict', (e) => void (row(e, 6).body = { by: '@policy' })],
  ['chain-unbroken', 'a token is no exact number', (e) => void (row(e, 19).fencingToken = 2 ** 60)],
  ['one-open-attempt', 'an attempt was never closed', (e) => void (row(e, 2).kind = 'started')],
  ['one-open-attempt', 'an await passed meanwhile', (e) => void (row(e, 5).kind = 'satisfied')],
  ['intent-before-outcome', 'the intent is another attempt', (e) => void (row(e, 1).attempt = 9)],
  ['intent-before-effect', 'an effect has no intent', (e) => void e.rows.splice(17, 2)],
  [
    'intent-before-effect',
    'an effect is of another term',
    (e) => void (e.witness![0]!.fencingToken = 9),
  ],
  ['intent-before-effect', 'an effect came first', (e) => void (e.witness![0]!.at = at(0.5))],
  [
    'tokens-never-go-back',
    'a later row has an older token',
    (e) => void (row(e, 12).fencingToken = 12),
  ],
  ['numbers-exact', 'a token is above 2^53 - 1', (e) => void (row(e, 19).fencingToken = 2 ** 53)],
  [
    'numbers-exact',
    'the token of a receipt is above 2^53 - 1',
    (e) => void (e.receipts[1]!.fencingToken = 2 ** 63),
  ],
  [
    'numbers-exact',
    'the token of a late outcome is above 2^53 - 1',
    (e) => void (e.lateOutcomes[0]!.fencingToken = 2 ** 63),
  ],
  [
    'numbers-exact',
    'a refused write names a seq above 2^53 - 1',
    (e) => void (e.refusals[0]!.seq = 2 ** 63),
  ],
  [
    'outcome-under-its-own-token',
    'an outcome came from a later term',
    (e) => void (row(e, 2).fencingToken = 11),
  ],
  [
    'token-names-one-holder',
    'two replicas wrote under one token',
    (e) => void (row(e, 3).replicaId = 'rX'),
  ],
  [
    'token-names-one-holder',
    'a receipt names another holder',
    (e) => {
      e.receipts[1]!.receipt.holder = { replicaId: 'rX', fencingToken: 14 };
    },
  ],
  [
    'token-names-one-holder',
    'a refused write was of another',
    (e) => void (e.refusals[0]!.replicaId = 'rX'),
  ],
  [
    'cells-in-order',
    'a cell was passed over',
    (e) => {
      for (const one of e.rows.slice(3, 8)) one.cellId = 'tried';
    },
  ],
  [
    'cells-in-order',
    'a cell ran after the end',
    (e) => {
      e.rows.push({ ...row(e, 13), seq: 20, cellId: 'held', recordedAt: at(20) });
    },
  ],
  [
    'cells-in-order',
    'the log names a cell that the runbook does not have',
    (e) => {
      until(e, 1);
      row(e, 1).cellId = 'ghost';
    },
  ],
  [
    'retry-only-as-often-as-allowed',
    'a failure was retried beyond its limit',
    (e) => {
      e.runbook!.cells[6] = { id: 'tried', exec: { handler: 'any' } };
    },
  ],
  [
    'verdict-follows-from-log',
    'an assert is satisfied and does not hold',
    (e) => {
      row(e, 11).body['output'] = 8;
    },
  ],
  [
    'verdict-follows-from-log',
    'an assert is refuted and holds',
    (e) => {
      until(e, 12);
      row(e, 12).kind = 'refuted';
    },
  ],
  [
    'verdict-follows-from-log',
    'an await passed with an unwanted status',
    (e) => {
      row(e, 3).body['status'] = 'closed';
    },
  ],
  [
    'verdict-follows-from-log',
    'an await passed with another claim',
    (e) => void (row(e, 3).body['claimId'] = 'x'),
  ],
  ['each-attempt-once', 'an attempt was begun twice', (e) => void (row(e, 7).attempt = 1)],
  [
    'each-attempt-once',
    'a doubt was decided twice',
    (e) => {
      e.rows.splice(11, 0, { ...row(e, 11) });
    },
  ],
  [
    'idempotency-key-of-its-run',
    'a retry kept the key',
    (e) => {
      row(e, 15).body['idempotencyKey'] = 'i/tried/1';
    },
  ],
  [
    'idempotency-key-of-its-run',
    'a rerun got a new key',
    (e) => {
      row(e, 7).body['idempotencyKey'] = 'i/again/2';
    },
  ],
  [
    'decision-names-its-attempt',
    'a decision names another attempt',
    (e) => void (row(e, 6).attempt = 3),
  ],
  [
    'rerun-only-where-allowed',
    'a cell that holds was rerun by policy',
    (e) => {
      e.runbook!.cells[3] = { id: 'again', exec: { handler: 'any' } };
    },
  ],
  [
    'rerun-only-where-allowed',
    'a cell was rerun by a probe that it has not',
    (e) => {
      row(e, 6).body['by'] = '@probe';
    },
  ],
  [
    'rerun-only-where-allowed',
    'an attempt follows a success',
    (e) => void (row(e, 6).body['as'] = 'succeeded'),
  ],
  [
    'decision-by-whom',
    'policy said that it succeeded',
    (e) => void (row(e, 11).body['by'] = '@policy'),
  ],
  [
    'decision-by-whom',
    'a probe said that it failed',
    (e) => {
      row(e, 11).body = { as: 'failed', by: '@probe' };
    },
  ],
  ['decision-by-whom', 'nobody said it', (e) => void delete row(e, 11).body['by']],
  [
    'decision-by-whom',
    'a person is named who did not ask',
    (e) => void (row(e, 6).body['by'] = 'carl'),
  ],
  [
    'own-word-only',
    'somebody else says that it never began',
    (e) => void (row(e, 15).replicaId = 'rX'),
  ],
  [
    'own-word-only',
    'somebody else says that it was aborted',
    (e) => void (row(e, 5).body['reason'] = 'aborted'),
  ],
  ['effect-seen-once', 'an effect happened twice', (e) => void e.witness!.push(e.witness![0]!)],
  [
    'key-repeated-only-after-rerun',
    'a retry came with the old key',
    (e) => {
      e.witness![5]!.idempotencyKey = 'i/tried/1';
    },
  ],
  ['key-repeated-only-after-rerun', 'nobody decided the rerun', (e) => void e.rows.splice(5, 1)],
  [
    'effect-under-its-own-key',
    'an effect had another key',
    (e) => {
      e.witness![0]!.idempotencyKey = 'i/held/7';
    },
  ],
  [
    'not-started-never-ran',
    'it ran all the same',
    (e) => {
      e.witness!.push({ ...e.witness![5]!, attempt: 2, at: at(15.5) });
    },
  ],
  [
    'failed-of-one-class',
    'a failure happened and never began',
    (e) => void Object.assign(row(e, 14).body, { happened: true, notBegun: true }),
  ],
  [
    'failed-of-one-class',
    'a failure says perhaps',
    (e) => void (row(e, 14).body['happened'] = 'perhaps'),
  ],
  [
    'failed-effect-did-not-happen',
    'the receiver had performed it',
    (e) => void (e.witness![4]!.happened = true),
  ],
  [
    'failed-effect-did-not-happen',
    'something was sent',
    (e) => void (row(e, 14).body['notBegun'] = true),
  ],
  [
    'happened-under-one-key',
    'the first one happened, and nobody refused it',
    (e) => void (e.witness![4]!.happened = true),
  ],
  [
    'idempotency-key-of-its-run',
    'the key changed although nothing was begun',
    (e) => void (row(e, 14).body['notBegun'] = true),
  ],
  [
    'chain-unbroken',
    'what happened was tried again',
    (e) => void (row(e, 14).body['happened'] = true),
  ],
];
