import type { Walk } from './walk.ts';
import type { Answer, Question } from './recording.ts';
import { attemptKey, replicaIdOf } from './world.ts';
import type { Process, Work, World } from './world.ts';

/*
 * What replicas ask each other. Of the seals only their effect is modelled: without the secret
 * nobody makes one, and what is sealed can be recorded and said again.
 */

/** The question that a walk has on the bus; undefined if it asks nothing. */
export function questionOf(world: World, work: Work): Question | undefined {
  const { step } = work.view;
  if (step.do !== 'close' || (work.at !== 'ask' && work.at !== 'ask gone')) return undefined;
  const by = world.processes.find(({ works }) => works.includes(work));
  if (by === undefined) return undefined;
  const { open } = step;
  return {
    by: replicaIdOf(by),
    to: open.replicaId,
    attempt: attemptKey(open),
    token: work.token,
  };
}

/** Where the process is that a question is for, or an answer from; undefined if it is not there. */
export function peerOf({ processes }: World, replicaId: string): number | undefined {
  const index = processes.findIndex((one: Process) => one.up && replicaIdOf(one) === replicaId);
  return index === -1 ? undefined : index;
}

/**
 * The adversary records an answer. An answer that is sealed for its question with its nonce fits no
 * other question, so nothing is gained by recording it.
 */
export function recordAnswer(
  { rules, world }: Pick<Walk, 'rules' | 'world'>,
  answer: Answer,
): void {
  if (rules.answerSeals === 'question') return;
  const { answers } = world.recording;
  const { from, attempt, statement } = answer;
  const known = answers.some(
    (one) => one.from === from && one.attempt === attempt && one.statement === statement,
  );
  if (!known) world.recording = { ...world.recording, answers: [...answers, answer] };
}
