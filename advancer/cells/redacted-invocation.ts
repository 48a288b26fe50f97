import type { Redaction } from '../secrets/redaction.ts';
import type { Invocation } from './invocation.ts';

/**
 * The invocation with every text in it redacted.
 *
 * Texts that are parsed or cut are redacted before that, where they arrive. This is the gate behind
 * it: what a cell's expectations judge, what is recorded, what a probe answers and what people see
 * are made of its result.
 */
export function redactedInvocation(invocation: Invocation, redaction: Redaction): Invocation {
  if (redaction.isEmpty) return invocation;
  const detail = redaction.value(invocation.detail);
  switch (invocation.kind) {
    case 'ended': {
      const { error, output } = invocation.observed;
      const observed = {
        ...invocation.observed,
        ...(error === undefined ? {} : { error: redaction.text(error) }),
        ...(output === undefined ? {} : { output: redaction.value(output) }),
      };
      return { ...invocation, observed, detail };
    }
    case 'not_begun': {
      const { message, code } = invocation.error;
      return { ...invocation, error: { message: redaction.text(message), code }, detail };
    }
    case 'wrong_replica':
      return { ...invocation, why: redaction.text(invocation.why), detail };
    case 'unknown':
      return { ...invocation, detail };
  }
}
