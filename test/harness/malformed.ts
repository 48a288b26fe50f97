import {
  ANYTHING,
  HOSTILE_IDS,
  isRight,
  NOTICES,
  OPTIONAL,
  UNKNOWN_FIELDS,
  unstorable,
  VALID_BODIES,
  VERBS,
  WITHOUT_ID,
  WRONG_VALUES,
  type Verb,
} from './malformed-values.ts';

/** One message that no correct client sends. */
export interface Malformed {
  /** What follows `leasehold.<namespace>.`. */
  subject: string;
  data: Uint8Array;
  /**
   * What the answer must be: an error reply, a receipt, none at all, or the bus's own report that
   * there are no subscribers.
   */
  answer: 'error' | 'receipt' | 'none' | 'no_responders';
  /** The field that the answer must name, where the fault is in one. */
  field?: string | undefined;
  /** Which fault it has, for a report. */
  fault: string;
}

type Random = () => number;

/** Malformed messages, the same for the same random numbers. */
export function malformed(random: Random, replicaIds: readonly string[]): Malformed {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const verb = pick(VERBS);
  const valid = VALID_BODIES[verb];
  const subject = subjectOf(verb, verb === 'replica' ? pick(replicaIds) : 'fuzzed');
  const answer = answerOf(verb);
  const made = (data: Uint8Array | string, fault: string, field?: string): Malformed => ({
    subject,
    data: typeof data === 'string' ? new TextEncoder().encode(data) : data,
    answer,
    field,
    fault: `${verb}: ${fault}`,
  });
  const text = JSON.stringify(valid);
  for (;;) {
    switch (Math.floor(random() * 14)) {
      case 0: {
        const field = pick(Object.keys(valid).concat('none'));
        const value = pick(WRONG_VALUES);
        if (!(field in valid) || isRight(verb, field, value)) continue;
        if (field === 'log' && value === true) continue;
        // A field of the wrong kind may make the whole union fit nowhere; then no single field is
        // to blame.
        const named = verb === 'replica' || unstorable(value) ? undefined : field;
        return made(JSON.stringify({ ...valid, [field]: value }), `wrong ${field}`, named);
      }
      case 1: {
        const required = Object.keys(valid).filter((name) => !OPTIONAL.has(`${verb}.${name}`));
        const field = required.length === 0 ? undefined : pick(required);
        if (field === undefined) continue;
        const rest = Object.fromEntries(Object.entries(valid).filter(([name]) => name !== field));
        return made(
          JSON.stringify(rest),
          `without ${field}`,
          verb === 'replica' ? undefined : field,
        );
      }
      case 2: {
        if (NOTICES.has(verb)) continue;
        const name = pick(UNKNOWN_FIELDS);
        const body = `${text.slice(0, -1)},${JSON.stringify(name)}:${pick(['1', '{}', 'null', '"x"'])}}`;
        return made(
          body,
          `unknown field ${name.slice(0, 20)}`,
          verb === 'replica' || name === '' ? undefined : name.slice(0, 128),
        );
      }
      case 3:
        return made('', 'empty');
      case 4:
        if (text.length < 4) continue;
        return made(text.slice(0, 1 + Math.floor(random() * (text.length - 2))), 'truncated');
      case 5: {
        const bytes = Uint8Array.from({ length: 1 + Math.floor(random() * 300) }, () =>
          Math.floor(random() * 256),
        );
        // JSON never begins with this byte.
        bytes[0] = 0x80 + Math.floor(random() * 0x40);
        return made(bytes, 'binary');
      }
      case 6: {
        const bytes = new TextEncoder().encode(text);
        bytes[Math.floor(random() * bytes.length)] = 0xc0;
        return made(bytes, 'invalid UTF-8');
      }
      case 7: {
        const depth = pick([65, 100, 1_000, 10_000, 60_000, 250_000]);
        const [open, close] = pick([
          ['[', ']'],
          ['{"a":', '}'],
        ] as const);
        if ((open.length + 1) * depth > 500_000) continue;
        const deep = `${open.repeat(depth)}1${close.repeat(depth)}`;
        return random() < 0.5
          ? made(deep, `nested ${depth} deep`)
          : made(
              text === '{}' ? deep : `${text.slice(0, -1)},"evidence":${deep}}`,
              `nested ${depth} deep in a field`,
            );
      }
      case 8: {
        if (random() > 0.03) continue;
        const size = pick([530_000, 700_000, 1_000_000]);
        return made(
          `${text.slice(0, -1)}${text === '{}' ? '' : ','}"pad":"${'x'.repeat(size)}"}`,
          'huge',
        );
      }
      case 9:
        return made(
          pick(['null', '[]', '"text"', '7', 'true', '[{}]', 'NaN', 'undefined', '-', '1e999']),
          'not an object',
        );
      case 10: {
        const numbers = Object.keys(valid).filter((name) => typeof valid[name] === 'number');
        if (numbers.length === 0) continue;
        const field = pick(numbers);
        const number = pick([
          '1e999',
          '-1e999',
          '9007199254740993',
          '1e20',
          '0',
          '-0',
          '-7',
          '0.5',
          '1e-400',
        ]);
        const body = text.replace(`"${field}":1`, `"${field}":${number}`);
        return made(body, `${field} ${number}`, verb === 'replica' ? undefined : field);
      }
      case 11: {
        const field = pick(Object.keys(valid).concat('none'));
        if (!(field in valid) || ANYTHING.has(field)) continue;
        // The last one of two counts.
        return made(
          `${text.slice(0, -1)},"${field}":[1]}`,
          `duplicate ${field}`,
          verb === 'replica' ? undefined : field,
        );
      }
      case 12: {
        if (WITHOUT_ID.has(verb) || verb === 'replica') continue;
        const hostile = {
          ...made(text, 'hostile id'),
          subject: subjectOf(verb, pick(HOSTILE_IDS)),
        };
        // The bus itself carries no subject with an empty part.
        if (hostile.subject.split('.').includes('')) return { ...hostile, answer: 'no_responders' };
        return { ...hostile, field: answer === 'none' ? undefined : 'subject' };
      }
      case 13: {
        const nobody = pick([
          'advance',
          'nonsense',
          'replica.nobody-00000000',
          'event.fuzzed',
          'start.fuzzed',
          'status',
        ]);
        return { ...made(text, 'no subscribers'), subject: nobody, answer: 'no_responders' };
      }
    }
  }
}

function subjectOf(verb: Verb, id: string): string {
  return WITHOUT_ID.has(verb) ? verb : `${verb}.${id}`;
}

function answerOf(verb: Verb): Malformed['answer'] {
  if (verb === 'advance') return 'receipt';
  // Replicas answer only what another replica asks.
  return NOTICES.has(verb) || verb === 'replica' ? 'none' : 'error';
}
