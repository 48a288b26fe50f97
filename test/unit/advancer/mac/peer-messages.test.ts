import { describe, expect, it } from 'vitest';

import {
  QuestionMessage,
  type Note,
  type Question,
  type QuestionBody,
} from '../../../../advancer/mac/statements.ts';
import { newSecret } from '../../../../coordinator/secrets.ts';
import type { Json, JsonObject } from '../../../../src/json.ts';
import { member, record, type Member } from './members.ts';

const RUNS: QuestionBody = {
  ask: 'runs',
  instanceId: 'i',
  cellId: 'c',
  attempt: 1,
  fencingToken: 7,
};
const BEGAN_NOT = { runs: false, began: false };

/** What a message is after it has been sent. */
function sent(message: Json | undefined): JsonObject {
  return JSON.parse(JSON.stringify(message)) as JsonObject;
}

function asked(from: Member, to: string, body: QuestionBody) {
  const question = from.messages.ask(to, body);
  if (question === undefined) throw new Error('no secret');
  return { question: question.question, message: sent(question.message) };
}

function opened(by: Member, message: JsonObject): Question | undefined {
  return by.messages.openQuestion(QuestionMessage.parse(message));
}

function trio() {
  const secret = newSecret();
  return { a: member('a', [secret]), b: member('b', [secret]), c: member('c', [secret]), secret };
}

describe('a question', () => {
  it('is believed by the replica that it is for, and by no other', () => {
    const { a, b, c } = trio();
    const { question, message } = asked(a, 'b', RUNS);
    expect(opened(b, message)).toEqual(question);
    expect(b.ignored).toEqual([]);
    expect(opened(c, message)).toBeUndefined();
    expect(c.ignored).toEqual(['runs wrong_mac']);
  });

  it('has a nonce that no other one has', () => {
    const { a } = trio();
    const nonces = Array.from({ length: 100 }, () => asked(a, 'b', RUNS).question.nonce);
    expect(new Set(nonces).size).toBe(100);
  });

  it.each<[string, JsonObject]>([
    ['sender', { from: 'c' }],
    ['instance', { instanceId: 'j' }],
    ['cell', { cellId: 'd' }],
    ['attempt', { attempt: 2 }],
    ['token', { fencingToken: Number.MAX_SAFE_INTEGER }],
    ['nonce', { nonce: 'AAAAAAAAAAAAAAAAAAAAAA' }],
    ['count', { count: 5 }],
  ])('whose %s was changed is not believed', (_, change) => {
    const { a, b } = trio();
    const { message } = asked(a, 'b', RUNS);
    expect(opened(b, { ...message, ...change })).toBeUndefined();
    expect(b.ignored).toEqual(['runs wrong_mac']);
  });

  it('about one attempt does not become one about another by moving characters', () => {
    const { a, b } = trio();
    const about: QuestionBody = {
      ...RUNS,
      instanceId: 'i1',
      cellId: 'c',
      attempt: 11,
      fencingToken: 1,
    };
    const { message } = asked(a, 'b', about);
    for (const change of [
      { instanceId: 'i', cellId: '1c' },
      { cellId: 'c1', attempt: 1 },
      { attempt: 1, fencingToken: 11 },
    ])
      expect(opened(b, { ...message, ...change })).toBeUndefined();
  });

  it('without a MAC, with part of one, or of another kind is not believed', () => {
    const { a, b } = trio();
    const { message } = asked(a, 'b', RUNS);
    for (const missing of ['mac', 'nonce', 'from', 'count', 'fencingToken']) {
      const { [missing]: _, ...rest } = message;
      expect(opened(b, rest)).toBeUndefined();
    }
    expect(new Set(b.ignored)).toEqual(new Set(['runs missing']));
    const { from, nonce, count, mac } = message;
    expect(opened(b, { ask: 'ping', from, nonce, count, mac } as JsonObject)).toBeUndefined();
    expect(b.ignored.at(-1)).toBe('ping wrong_mac');
  });

  it("of another namespace is not believed, neither under its secret nor under that secret's id", () => {
    const { b, secret } = trio();
    const other = member('a', [secret], 'other');
    expect(opened(b, asked(other, 'b', RUNS).message)).toBeUndefined();
    const stranger = member('a', [newSecret()]);
    expect(opened(b, asked(stranger, 'b', RUNS).message)).toBeUndefined();
    const disguised = member('a', [{ ...newSecret(), id: secret.id }]);
    expect(opened(b, asked(disguised, 'b', RUNS).message)).toBeUndefined();
    expect(b.ignored).toEqual(['runs wrong_mac', 'runs unknown_key', 'runs wrong_mac']);
  });

  it('is neither asked nor believed without a secret', () => {
    const { a, b } = trio();
    const { message } = asked(a, 'b', RUNS);
    b.secrets = [];
    expect(opened(b, message)).toBeUndefined();
    expect(b.ignored).toEqual(['runs no_secret']);
    expect(b.messages.ask('a', RUNS)).toBeUndefined();
  });
});

describe('an answer', () => {
  it('is believed for the question that it answers', () => {
    const { a, b } = trio();
    const { question, message } = asked(a, 'b', RUNS);
    const answer = sent(b.messages.answer(opened(b, message)!, BEGAN_NOT));
    expect(a.messages.openAnswer(question, answer)).toEqual(BEGAN_NOT);
  });

  it('is not believed for another question, even one with the same nonce, nor when it was changed', () => {
    const { a, b } = trio();
    const first = asked(a, 'b', RUNS);
    const answer = sent(b.messages.answer(first.question, BEGAN_NOT));
    const again = asked(a, 'b', RUNS);
    expect(a.messages.openAnswer(again.question, answer)).toBeUndefined();
    const elsewhere = { ...RUNS, attempt: 2 } as QuestionBody;
    const relayed: Question = { ...first.question, body: elsewhere };
    expect(a.messages.openAnswer(relayed, answer)).toBeUndefined();
    const changed = { ...answer, began: true };
    expect(a.messages.openAnswer(first.question, changed)).toBeUndefined();
    expect(new Set(a.ignored)).toEqual(new Set(['runs_answer wrong_mac']));
  });

  it('of a replica that was not asked is not believed, nor a plain one', () => {
    const { a, c } = trio();
    const { question, message } = asked(a, 'b', RUNS);
    expect(opened(c, message)).toBeUndefined();
    const forged = sent(c.messages.answer({ ...question, to: 'c' }, BEGAN_NOT));
    expect(a.messages.openAnswer(question, forged)).toBeUndefined();
    for (const plain of [BEGAN_NOT, null, 'x', 7, [], { ...BEGAN_NOT, mac: 'x' }])
      expect(a.messages.openAnswer(question, plain)).toBeUndefined();
  });

  it('that nests deeper than can be written disturbs nothing', () => {
    const { a } = trio();
    const { question } = asked(a, 'b', RUNS);
    let deep: Json = 1;
    for (let depth = 0; depth < 200_000; depth += 1) deep = [deep];
    const mac = { key: a.secrets[0]!.id, tag: 'A'.repeat(43) };
    expect(a.messages.openAnswer(question, { deep, mac })).toBeUndefined();
  });

  it('may hold any JSON', () => {
    const { a, b } = trio();
    const { question } = asked(a, 'b', RUNS);
    const reply: Json = { b: [1e21, -0, 1e-7], 7: '\ud800\u2028"', a: null, '': { __proto__: 1 } };
    const answer = sent(b.messages.answer(question, { reply }));
    expect(a.messages.openAnswer(question, answer)).toEqual(sent({ reply }));
  });
});

describe('a note', () => {
  const LEAVING: Note = { note: 'leaving', busy: ['i'] };

  function introduced(from: Member, name: string, to: Member): void {
    const { question, message } = asked(to, name, { ask: 'ping' });
    const answer = sent(from.messages.answer(opened(from, message)!, { replicaId: name }));
    expect(to.messages.openAnswer(question, answer)).toBeDefined();
  }

  it('is believed once; recorded and sent again it is not, nor is an older one', () => {
    const { a, b } = trio();
    introduced(a, 'a', b);
    const [first, second, third] = [1, 2, 3].map(() => a.messages.note(LEAVING)!);
    expect(b.messages.believes('a', LEAVING, second!)).toBe(true);
    expect(b.messages.believes('a', LEAVING, second!)).toBe(false);
    expect(b.messages.believes('a', LEAVING, first!)).toBe(false);
    expect(b.messages.believes('a', LEAVING, third!)).toBe(true);
    expect(b.ignored).toEqual(['leaving replayed', 'leaving replayed']);
  });

  it('is not believed when its sender, its content, its count or its kind was changed', () => {
    const { a, b } = trio();
    introduced(a, 'a', b);
    const { count, mac } = a.messages.note(LEAVING)!;
    expect(b.messages.believes('c', LEAVING, { count, mac })).toBe(false);
    expect(b.messages.believes('a', { note: 'leaving', busy: [] }, { count, mac })).toBe(false);
    expect(b.messages.believes('a', LEAVING, { count: count + 1, mac })).toBe(false);
    expect(b.messages.believes('a', { note: 'answered', keys: ['i'] }, { count, mac })).toBe(false);
    expect(b.messages.believes('a', LEAVING, { count })).toBe(false);
    expect(b.messages.believes('a', LEAVING, { count, mac })).toBe(true);
  });

  it('that was recorded before a replica started is not believed by it', () => {
    const { a, secret } = trio();
    const recorded = [1, 2].map(() => a.messages.note(LEAVING)!);
    const late = member('late', [secret]);
    expect(late.messages.believes('a', LEAVING, recorded[0]!)).toBe(false);
    expect([late.ignored, late.unknown]).toEqual([['leaving unknown_sender'], ['a']]);
    introduced(a, 'a', late);
    expect(late.messages.believes('a', LEAVING, recorded[1]!)).toBe(false);
    expect(late.messages.believes('a', LEAVING, a.messages.note(LEAVING)!)).toBe(true);
  });

  it('of a replica that has asked something is believed: the question introduces it', () => {
    const { a, b } = trio();
    expect(opened(b, asked(a, 'b', { ask: 'ping' }).message)).toBeDefined();
    expect(b.messages.believes('a', LEAVING, a.messages.note(LEAVING)!)).toBe(true);
  });

  it('that a replica sent itself comes back to it, and is believed', () => {
    const { a } = trio();
    expect(a.messages.believes('a', LEAVING, a.messages.note(LEAVING)!)).toBe(true);
  });
});

describe('a rotation', () => {
  it('silences nobody, in whatever order the replicas see its steps', () => {
    const [old, fresh] = [newSecret(), newSecret()];
    const steps = [[old], [old, fresh], [fresh]];
    // The second step is taken once every record says that the replica has the new one.
    const stages = [
      [0, 0, 0],
      [0, 1, 0],
      [1, 0, 0],
      [1, 1, 1],
      [2, 1, 1],
      [1, 2, 1],
      [2, 2, 2],
    ];
    for (const [atA, atB, registered] of stages) {
      const [a, b] = [member('a', steps[atA!]), member('b', steps[atB!])];
      const seen = steps[registered!]!.map(({ id }) => id);
      for (const each of [a, b]) each.registered = [record('a', seen), record('b', seen)];
      expect(opened(b, asked(a, 'b', RUNS).message)).toBeDefined();
      expect(opened(a, asked(b, 'a', RUNS).message)).toBeDefined();
    }
  });
});
