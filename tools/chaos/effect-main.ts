import { writeFileSync } from 'node:fs';
import { request } from 'node:http';

import { echo } from './echo.ts';

/*
 * The command that the workload's command cells run: it reports an effect to the witness, writes
 * the answer as its output, and exits 0. If the witness cannot be reached it kills itself, because
 * that outcome is unknown: the witness may or may not have received the effect. If it has a secret
 * (TOKEN), it prints that wherever it can.
 */

const { env } = process;
const call = request(`${process.argv[2] ?? ''}/effects?ms=${process.argv[3] ?? '0'}`, {
  method: 'POST',
  headers: {
    'idempotency-key': env['LEASEHOLD_IDEMPOTENCY_KEY'] ?? '',
    'leasehold-fencing-token': env['LEASEHOLD_FENCING_TOKEN'] ?? '',
    'x-attempt': env['LEASEHOLD_ATTEMPT'] ?? '',
  },
});
call.on('error', () => process.kill(process.pid, 'SIGKILL'));
call.on('response', (response) => {
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  response.on('end', () => {
    const token = env['TOKEN'];
    const said = token === undefined ? {} : echo(token);
    const output = JSON.stringify({ ...(JSON.parse(text) as object), ...said });
    writeFileSync(env['LEASEHOLD_OUTPUT_FILE'] ?? '/dev/stdout', output);
    if (token !== undefined) process.stderr.write(`${token} ${output}\n`);
    process.exit(response.statusCode === 201 ? 0 : 1);
  });
});
call.end();
