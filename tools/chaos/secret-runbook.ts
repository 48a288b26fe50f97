import { http, OK, PROBE, runbook, type ChaosRunbook } from './runbook-parts.ts';

/** The name of the secret that this runbook's effects print on purpose. */
export const SECRET = 'CHAOS';
/** The runbook's name. */
export const SECRET_RUNBOOK = 'chaos-secret';

const HEADERS = { authorization: `Bearer \${secrets.${SECRET}}` };

/**
 * Effects that get a secret and print it in every way that an effect has: in answers, refusals,
 * probes, what a handler returns and throws, and what a command writes.
 *
 * @param command reports an effect to the witness, and prints the secret in its environment
 */
export function secretRunbook(command: readonly string[]): ChaosRunbook {
  return runbook(
    SECRET_RUNBOOK,
    [
      { id: 'told', exec: http('ms=${inputs.ms}&echo=1', HEADERS), expect: OK },
      {
        id: 'declined',
        exec: http('fail=1&echo=1', HEADERS),
        retry: { attempts: 2, backoff: '50ms' },
        onInterrupt: 'rerun',
      },
      {
        id: 'probed',
        exec: http('ms=${inputs.ms}&echo=1', HEADERS),
        onInterrupt: 'probe',
        probe: { http: { ...PROBE.http, url: `${PROBE.http.url}?echo=1`, headers: HEADERS } },
      },
      {
        id: 'handled',
        exec: { handler: 'telling' },
        retry: { attempts: 3, backoff: '50ms' },
        onInterrupt: 'rerun',
      },
      {
        id: 'printed',
        exec: {
          command: [...command, '${inputs.witness}', '${inputs.ms}'],
          env: { TOKEN: `\${secrets.${SECRET}}` },
        },
        onInterrupt: 'rerun',
      },
    ],
    { weight: 3, needsOwn: true },
  );
}
