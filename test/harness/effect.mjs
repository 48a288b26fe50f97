// A command that sends its effect to the witness named by its first argument, and prints the
// answer. With a second argument it exits with that code.
let stdin = '';
for await (const chunk of process.stdin) stdin += chunk;
const env = process.env;
const response = await fetch(`${process.argv[2]}/effects`, {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    'idempotency-key': env.LEASEHOLD_IDEMPOTENCY_KEY,
    'leasehold-fencing-token': env.LEASEHOLD_FENCING_TOKEN,
    attempt: env.LEASEHOLD_ATTEMPT,
  },
  body: stdin,
});
process.stdout.write(await response.text());
process.exitCode = Number(process.argv[3] ?? 0);
