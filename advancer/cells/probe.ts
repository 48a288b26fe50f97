import { z } from 'zod';

import type { Json, JsonObject } from '../../src/json.ts';
import { judge } from '../../src/runbook/expect.ts';
import type { ProbeAnswer } from './cells.ts';
import type { Invocation } from './invocation.ts';
import { numbersDetail } from './output.ts';

const JsonValue: z.ZodType<Json> = z.json();

/** What a probe may answer. Other fields are ignored. */
const Answer = z.discriminatedUnion('answer', [
  z.object({ answer: z.literal('happened'), output: JsonValue.optional() }),
  z.object({ answer: z.literal('did_not_happen') }),
  z.object({ answer: z.literal('unknown'), why: z.string().optional() }),
]);

/**
 * A probe's answer. Anything but the three, such as a failure of the probe itself, is `unknown`.
 */
export function probeAnswer(invocation: Invocation): ProbeAnswer {
  const unknown = (why: string): ProbeAnswer => ({ answer: 'unknown', why });
  switch (invocation.kind) {
    case 'wrong_replica':
      return { answer: 'wrong_replica', why: invocation.why };
    case 'not_begun':
      return unknown(`the probe failed: ${invocation.error.message}`);
    case 'unknown':
      return unknown(
        invocation.reason === 'crash'
          ? 'the probe itself was cut off'
          : `the probe was ended: ${invocation.reason}`,
      );
    case 'ended':
  }
  const judgement = judge(undefined, invocation.observed);
  if (judgement.ok === false)
    return unknown(`the probe failed: ${judgement.failed.join('; ').slice(0, 1_000)}`);
  const parsed = Answer.safeParse(invocation.observed.output);
  if (!parsed.success) {
    const given = (JSON.stringify(invocation.observed.output) ?? 'nothing').slice(0, 200);
    return unknown(
      'the probe must answer {"answer": "happened", "output": …}, {"answer": "did_not_happen"} or ' +
        `{"answer": "unknown"}, but gave ${given}`,
    );
  }
  switch (parsed.data.answer) {
    case 'happened':
      return {
        answer: 'happened',
        output: parsed.data.output ?? null,
        ...aboutOutput(invocation.detail),
      };
    case 'did_not_happen':
      return { answer: 'did_not_happen' };
    case 'unknown':
      return unknown(parsed.data.why ?? 'the probe could not tell');
  }
}

/** What the probe's detail says about the output in its answer, with pointers into that output. */
function aboutOutput({ numbersAsText, notUtf8 }: JsonObject): { detail?: JsonObject } {
  const within = (Array.isArray(numbersAsText) ? numbersAsText : []).flatMap((pointer) =>
    typeof pointer === 'string' && /^\/output(\/|$)/.test(pointer)
      ? [pointer.slice('/output'.length)]
      : [],
  );
  const detail = { ...numbersDetail(within), ...(notUtf8 === true ? { notUtf8 } : {}) };
  return Object.keys(detail).length === 0 ? {} : { detail };
}
