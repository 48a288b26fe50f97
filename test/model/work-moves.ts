import { append } from './log.ts';
import { peerOf, questionOf, recordAnswer } from './bus.ts';
import { processAt } from './lease-moves.ts';
import type { Moves } from './moves.ts';
import { begin, ended } from './attempt.ts';
import { answered, entryOf, evidenceRejected, kept, rejected, renumber } from './delivery.ts';
import { verify } from './delivery.ts';
import { hasHappened } from './endings.ts';
import { runsOrRenounces } from './promises.ts';
import { goOn, interrupt, mayStartAtOnce, probed, read, settle, start } from './steps.ts';
import { woken } from './struck.ts';
import { end, leave, supersede, type Walk } from './walk.ts';
import { judge } from './waits.ts';
import { attemptKey, copyOf, replicaIdOf, type Process, type Work, type World } from './world.ts';

/** The next step of one walk, in every way in which it may go. */
export function workMoves(moves: Moves, index: number, at: number): void {
  const { model, from } = moves;
  const process = processAt(from, index);
  const work = workAt(process, at);
  const id = replicaIdOf(process);
  const who = `${id}/${work.token}`;
  const walkIn = (world: World): Walk => {
    const next = processAt(world, index);
    return { rules: model.rules, world, process: next, work: workAt(next, at) };
  };
  const step = (kind: string, label: string, change: (walk: Walk) => void): void =>
    moves.add(kind, `${who} ${label}`, (world) => change(walkIn(world)));

  switch (work.at) {
    case 'read':
      return step('read the log', 'reads the log', read);
    case 'ready':
      return step('go on', 'goes on from what it knows of the log', goOn);
    case 'waiting':
      step('wait is over', 'has waited, and makes the next attempt if it may', start);
      if (mayStartAtOnce(walkIn(from)) === 'start') return;
      return moves.fault(
        'releases',
        'left to others',
        `${who} could not begin the last attempt, and leaves the next one to others`,
        (world) => leave(walkIn(world)),
      );
    case 'confirm':
      return confirmMoves(process, work, moves, step);
    case 'ask':
      step('peer is silent', 'hears nothing from the process that opened it', end);
      return askMoves(work, moves, step, end);
    case 'ask gone':
      step('gone and silent', 'hears nothing from the process that is gone', (walk) =>
        interrupt(walk),
      );
      return askMoves(work, moves, step, interrupt);
    case 'evidence':
      return step('read late outcomes', 'reads the late outcomes', settle);
    case 'judge':
    case 'judge clock':
      return judgeMoves(moves, process, work, step);
    case 'probe':
      for (const answer of probeAnswers(from, work)) {
        step(`probe: ${answer}`, `probes: ${answer}`, (walk) => probed(walk, answer));
      }
      return;
    case 'sending':
      return sendingMoves(moves, work, who, walkIn, step);
    case 'verify':
      return step('verify', 'looks whether anything follows its intent', verify);
    case 'intended':
      return step('begin', `checks its trust, and begins ${work.closing} if it may`, begin);
    case 'running':
      for (const ending of model.scenario.endings) {
        // Probes tell the truth: what they found to have happened is not refused later.
        const found = from.effects.some((one) => one.attempt === work.closing && one.found);
        if (found && hasHappened(ending) === false) continue;
        step(`effect: ${ending}`, `: ${work.closing} ends (${ending})`, (walk) =>
          ended(walk, ending),
        );
      }
      if (process.holding?.cancel !== undefined)
        step('effect: aborted', `: ${work.closing} is aborted`, (walk) => ended(walk, 'unknown'));
      moves.fault('unknowns', 'effect: unknown', `${who}: ${work.closing} times out`, (world) =>
        ended(walkIn(world), 'unknown'),
      );
      return moves.fault(
        'shortages',
        'effect: wrongReplica',
        `${who} has no file left, and cannot begin ${work.closing}`,
        (world) => ended(walkIn(world), 'wrongReplica'),
      );
    case 'keeping':
      step('keep evidence', 'keeps what was refused as evidence', kept);
      return moves.fault(
        'rejections',
        'evidence rejected',
        `${who} keeps what was refused as evidence, and Postgres refuses that too`,
        (world) => evidenceRejected(walkIn(world)),
      );
    case 'stranded':
  }
}

/** Reads the claim and the clock: in one statement, unless a control does otherwise. */
function judgeMoves(moves: Moves, process: Process, work: Work, step: Step): void {
  const { rules } = moves.model;
  const { claim, due } = moves.from;
  if (work.at === 'judge clock')
    return step('read the clock', 'reads the clock', (walk) => judge(walk, undefined, due));
  if (rules.awaitReads === 'apart' && claim === undefined) {
    return step('read the claim', 'reads the claim, which was not made', (walk) => {
      walk.work.at = 'judge clock';
    });
  }
  step(woken('read claim and clock', process, work), 'reads the claim and the clock', (walk) =>
    judge(walk, claim, due),
  );
  if (rules.awaitReads === 'own clock')
    step('look at own clock', 'takes the deadline for passed', (walk) => judge(walk, claim, true));
}

type Step = (kind: string, label: string, change: (walk: Walk) => void) => void;

function confirmMoves(process: Process, work: Work, moves: Moves, step: Step): void {
  const { step: next } = work.view;
  if (next.do !== 'close') return;
  const { replicaId } = next.open;
  if (!process.open) return step('etcd cannot be asked', 'cannot ask etcd, having no session', end);
  const registered = moves.from.processes.some(
    (one) => one.registered && replicaIdOf(one) === replicaId,
  );
  if (registered && moves.model.rules.confirmGone) {
    return step('still registered', `sees that ${replicaId} is in etcd`, (walk) => {
      walk.work.at = 'ask';
    });
  }
  step('gone', `sees that ${replicaId} is gone from etcd`, (walk) => {
    // Without a process there is none to ask; and a walk that does not ask etcd does not ask the
    // process either.
    const there = walk.world.processes.some((one) => one.up && replicaIdOf(one) === replicaId);
    if (there && !registered) walk.work.at = 'ask gone';
    else interrupt(walk);
  });
}

function askMoves(work: Work, moves: Moves, step: Step, whenItRuns: (walk: Walk) => void): void {
  const asked = questionOf(moves.from, work);
  const peer = asked && peerOf(moves.from, asked.to);
  if (asked === undefined || peer === undefined) return;
  const { to, attempt, token } = asked;
  const { rules } = moves.model;
  // The peer decides at this very moment which answer it gives.
  const asker = { rules, world: moves.from, token };
  const statement = runsOrRenounces(asker, processAt(copyOf(moves.from), peer), attempt);
  step(`peer: ${statement}`, `asks ${to}, which answers ${statement} about ${attempt}`, (walk) => {
    const answer = runsOrRenounces({ ...walk, token }, processAt(walk.world, peer), attempt);
    recordAnswer(walk, { from: to, attempt, statement: answer });
    if (answer === 'runs') whenItRuns(walk);
    else interrupt(walk, answer);
  });
}

function probeAnswers(world: World, work: Work): ('happened' | 'did_not_happen' | 'unknown')[] {
  const { step } = work.view;
  const effect =
    step.do === 'settle' && world.effects.find(({ attempt }) => attempt === attemptKey(step.doubt));
  if (effect === false || effect === undefined) return ['did_not_happen', 'unknown'];
  switch (hasHappened(effect.ended)) {
    case true:
      return ['happened', 'unknown'];
    case false:
      return ['did_not_happen', 'unknown'];
    case undefined:
      return ['happened', 'did_not_happen', 'unknown'];
  }
}

function sendingMoves(
  moves: Moves,
  work: Work,
  who: string,
  walkIn: (world: World) => Walk,
  step: Step,
): void {
  const { rules } = moves.model;
  const what = describe(work);
  const kind = woken('append', walkIn(moves.from).process, work);
  step(kind, `${work.resent ? 'sends again' : 'sends'} ${what}, and hears the answer`, (walk) =>
    answered(walk, append(rules, walk.world, entryOf(walk))),
  );
  const lost = (walk: Walk): void => {
    switch (rules.resend) {
      case 'same':
        walk.work.resent = true;
        return;
      case 'renumbered':
        renumber(walk);
        return;
      case 'rederived':
        walk.work.intent = undefined;
        walk.work.closing = undefined;
        walk.work.outcome = undefined;
        walk.work.base = 0;
        walk.work.at = 'read';
        return;
      case 'never':
        walk.work.base = 0;
        end(walk);
    }
  };
  moves.fault(
    'lostAnswers',
    'answer lost',
    `${who} sends ${what}; it is applied, the answer is lost`,
    (world) => {
      const walk = walkIn(world);
      append(rules, world, entryOf(walk));
      lost(walk);
    },
  );
  moves.fault(
    'lostAnswers',
    'append delayed',
    `${who} sends ${what}; it stays on its way`,
    (world) => {
      const walk = walkIn(world);
      world.ghosts = [...world.ghosts, entryOf(walk)];
      lost(walk);
    },
  );
  for (const ofData of work.after === 'closed' ? [true, false] : [true]) {
    moves.fault(
      'rejections',
      'rejected',
      `${who} sends ${what}; Postgres refuses ${ofData ? 'what it holds' : 'it, whatever it holds'}`,
      (world) => rejected(walkIn(world), ofData),
    );
  }
  if (work.resent && work.after === 'begin' && !work.abandoned) {
    step('intent abandoned', 'has waited too long for its intent, and says unavailable', (walk) => {
      walk.work.abandoned = true;
      walk.work.answeredUnavailable = true;
    });
    const label = `${who} finds Postgres away, gives up ${work.intent ?? 'its intent'}, and releases its lease`;
    moves.fault('releases', 'give up', label, (world) => {
      const { process, work: given } = walkIn(world);
      given.abandoned = true;
      given.answeredUnavailable = true;
      if (world.lease?.token === given.token) world.lease = undefined;
      supersede({ process, work: given });
    });
  }
}

function describe({ view, base, outcome }: Work): string {
  const rows = view.rows.slice(base).map((row) => {
    const reason = row.body['reason'] ?? row.body['as'];
    const detail =
      row.kind === 'decided' ? row.body['as'] : row.kind === 'interrupted' ? reason : undefined;
    return `${row.kind} ${attemptKey(row)}${typeof detail === 'string' ? ` (${detail})` : ''}`;
  });
  return [...rows, ...(outcome === undefined ? [] : [`receipt: ${outcome}`])].join(' + ');
}

function workAt(process: Process, at: number): Work {
  const work = process.works[at];
  if (work === undefined) throw new RangeError(`${process.place} has no walk ${at}`);
  return work;
}
