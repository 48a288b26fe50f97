import type { Row } from '../../execution/row.ts';
import { seqsOf } from '../attempts.ts';
import type { Check } from '../check.ts';

/** Guarantee 2: the fencing token never decreases along the log, and a token has one holder. */
export const TOKENS: readonly Check[] = [
  {
    name: 'tokens-never-go-back',
    guarantee: 2,
    severity: 'breach',
    states: 'along seq the fencing token never decreases',
    of: 'rows',
    needs: [],
    look({ evidence: { rows } }, report) {
      let highest: Row | undefined;
      for (const row of rows) {
        if (highest !== undefined && row.fencingToken < highest.fencingToken) {
          report(
            seqsOf(highest, row),
            `token ${row.fencingToken} of ${row.replicaId} came after ${highest.fencingToken} of ${highest.replicaId}`,
          );
        } else highest = row;
      }
      return rows.length;
    },
  },
  {
    name: 'numbers-exact',
    guarantee: 2,
    severity: 'breach',
    states:
      'tokens and seqs are whole numbers up to 2^53 - 1, so that all readers see the same ones',
    of: 'numbers',
    needs: [],
    look({ evidence: { rows, receipts, lateOutcomes, refusals } }, report) {
      let numbers = 0;
      const check = (what: string, number: number | undefined, seqs: number[] = []): void => {
        if (number === undefined) return;
        numbers += 1;
        if (!Number.isSafeInteger(number) || number < 0)
          report(seqs, `${what} is about ${number}, which is no number that a replica writes`);
      };
      for (const { seq, fencingToken, replicaId } of rows) {
        check(`a seq of ${replicaId}`, seq);
        check(`the token of ${replicaId}`, fencingToken, [seq]);
      }
      for (const { requestId, fencingToken, lastSeq } of receipts) {
        check(`the token of the receipt of ${requestId}`, fencingToken);
        check(`the seq that the receipt of ${requestId} rests on`, lastSeq);
      }
      for (const { cellId, attempt, fencingToken } of lateOutcomes)
        check(`the token of a late outcome of ${cellId} attempt ${attempt}`, fencingToken);
      for (const { seq, fencingToken, replicaId } of refusals) {
        check(`the seq of a refused write of ${replicaId}`, seq);
        check(`the token of a refused write of ${replicaId}`, fencingToken);
      }
      return numbers;
    },
  },
  {
    name: 'outcome-under-its-own-token',
    guarantee: 2,
    severity: 'breach',
    states: 'completed and failed carry the token of their started row',
    of: 'outcomes',
    needs: [],
    look({ attempts }, report) {
      let outcomes = 0;
      for (const { cellId, attempt, started, closings } of attempts) {
        const opened = started[0];
        for (const row of closings) {
          if (row.kind === 'interrupted' || opened === undefined) continue;
          outcomes += 1;
          if (row.fencingToken !== opened.fencingToken) {
            report(
              seqsOf(opened, row),
              `${row.kind} ${cellId} attempt ${attempt} is under token ${row.fencingToken}, its intent under ${opened.fencingToken}`,
            );
          }
        }
      }
      return outcomes;
    },
  },
  {
    name: 'token-names-one-holder',
    guarantee: 2,
    severity: 'breach',
    states: 'all that was written under one token of an instance is by one replica',
    of: 'tokens',
    needs: [],
    look({ evidence: { rows, receipts, lateOutcomes, refusals } }, report) {
      const holders = new Map<number, { replicaId: string; seq: number | undefined }>();
      const hold = (token: number, replicaId: string, seq?: number): void => {
        const known = holders.get(token);
        if (known === undefined) holders.set(token, { replicaId, seq });
        else if (known.replicaId !== replicaId) {
          report(
            [known.seq, seq].filter((one) => one !== undefined),
            `token ${token} was used by ${known.replicaId} and by ${replicaId}`,
          );
        }
      };
      for (const row of rows) hold(row.fencingToken, row.replicaId, row.seq);
      for (const { receipt } of receipts) {
        if (receipt.holder !== null) hold(receipt.holder.fencingToken, receipt.holder.replicaId);
      }
      for (const { fencingToken, replicaId } of [...lateOutcomes, ...refusals])
        hold(fencingToken, replicaId);
      return holders.size;
    },
  },
];
