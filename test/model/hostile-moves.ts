import type { AttemptStatement } from '../../advancer/run/attempts.ts';
import { peerOf, questionOf, recordAnswer } from './bus.ts';
import { processAt } from './lease-moves.ts';
import type { Moves } from './moves.ts';
import { runsOrRenounces } from './promises.ts';
import { interrupt } from './steps.ts';
import { end, type Walk } from './walk.ts';
import type { Question } from './recording.ts';
import { replicaIdOf, type World } from './world.ts';

/** A token that no term has. */
const HUGE = 1_000_000;

/**
 * What an adversary on the bus may do about a question of this walk: record it, hold back its
 * answer, and say whatever passes for an answer.
 */
export function hostileAnswers(moves: Moves, index: number, at: number): void {
  const { from, model } = moves;
  const { rules } = model;
  const work = processAt(from, index).works[at];
  const question = work && questionOf(from, work);
  if (work === undefined || question === undefined) return;
  const { to, attempt, token } = question;
  const who = `${question.by}/${token}`;
  const walkIn = (world: World): Walk => {
    const process = processAt(world, index);
    return { rules, world, process, work: process.works[at]! };
  };
  const hears = (walk: Walk, statement: AttemptStatement): void => {
    if (statement !== 'runs') interrupt(walk, statement);
    else if (walk.work.at === 'ask gone') interrupt(walk);
    else end(walk);
  };
  const says = (kind: string, label: string, statement: AttemptStatement): void =>
    moves.hostile(kind, `${who} hears ${statement} about ${attempt}: ${label}`, (world) =>
      hears(walkIn(world), statement),
    );

  if (!from.recording.questions.some((one) => sameQuestion(one, question))) {
    moves.hostile('record question', `the question of ${who} to ${to} is recorded`, (world) => {
      const { recording } = world;
      world.recording = { ...recording, questions: [...recording.questions, question] };
    });
  }
  const peer = peerOf(from, to);
  if (peer !== undefined) {
    const label = `${to} answers ${who} about ${attempt}, and the answer is held back`;
    moves.hostile('answer held back', label, (world) => {
      const walk = walkIn(world);
      const statement = runsOrRenounces({ rules, world, token }, processAt(world, peer), attempt);
      recordAnswer(walk, { from: to, attempt, statement });
      walk.work.heldBack = statement;
    });
  }
  if (work.heldBack !== undefined)
    says('late answer', 'the answer that was held back', work.heldBack);
  if (!rules.answersSealed) {
    for (const statement of ['does_not_run', 'never_began'] as const)
      says('forged answer', 'it is forged', statement);
  }
  for (const answer of rules.answerSeals === 'question' ? [] : from.recording.answers) {
    if (answer.from !== to) continue;
    if (rules.answerSeals === 'attempt' && answer.attempt !== attempt) continue;
    says('replayed answer', `recorded when it was about ${answer.attempt}`, answer.statement);
  }
  if (!rules.addresseeSealed) {
    from.processes.forEach((other, place) => {
      if (!other.up || replicaIdOf(other) === to) return;
      const label = `${who} hears ${replicaIdOf(other)} in place of ${to}`;
      moves.hostile('relayed question', label, (world) => {
        const asked = processAt(world, place);
        hears(walkIn(world), runsOrRenounces({ rules, world, token }, asked, attempt));
      });
    });
  }
}

/** What an adversary may ask of a process. */
export function hostileQuestions(moves: Moves, index: number): void {
  const { from, model } = moves;
  const { rules } = model;
  const process = processAt(from, index);
  if (!process.up) return;
  const id = replicaIdOf(process);
  for (const { by, to, attempt, token } of from.recording.questions) {
    if (to !== id) continue;
    const label = `${id} is asked about ${attempt} as ${by}/${token} did before`;
    moves.hostile('replayed question', label, (world) => {
      runsOrRenounces({ rules, world, token }, processAt(world, index), attempt);
    });
  }
  if (rules.questionsSealed) return;
  const held = process.works.flatMap(({ intent, closing }) => intent ?? closing ?? []);
  const { step } = from.log;
  const next = step.do === 'start' ? [`${step.cell.id}${step.attempt}`] : [];
  for (const attempt of new Set([...held, ...next])) {
    const label = `${id} is asked about ${attempt} by no term, under a huge token`;
    moves.hostile('forged question', label, (world) => {
      const asked = processAt(world, index);
      const before = asked.holding;
      runsOrRenounces({ rules, world, token: HUGE }, asked, attempt);
      const renounces = asked.works.some(({ renounced }) => renounced === attempt);
      if (!renounces && asked.holding === before) return;
      const what = `${id} gives up ${renounces ? attempt : 'its term'}, and no term asked for it`;
      world.breaches.push({ guarantee: '4 nobody gives way to a term that does not exist', what });
    });
  }
}

function sameQuestion(one: Question, other: Question): boolean {
  return (
    one.by === other.by &&
    one.to === other.to &&
    one.attempt === other.attempt &&
    one.token === other.token
  );
}
