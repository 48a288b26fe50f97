// Prints `N passed, N failed` from the results that vitest wrote as JSON (argument 1), and
// fails if there are none, if nothing was run, or if anything failed.
import { readFileSync } from 'node:fs';

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    process.stderr.write(`no test results in ${file}: the run ended before the tests did\n`);
    return undefined;
  }
}

const results = read(process.argv[2]);
const passed = results?.numPassedTests ?? 0;
// A file that could not even be loaded has no tests to count, and is a failure all the same.
const brokenFiles = (results?.testResults ?? []).filter(
  (file) =>
    file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
);
const failed = (results?.numFailedTests ?? 0) + brokenFiles.length;
const skipped = (results?.numPendingTests ?? 0) + (results?.numTodoTests ?? 0);
for (const file of brokenFiles) process.stderr.write(`failed as a whole: ${file.name}\n`);
process.exitCode = results === undefined || passed === 0 || failed > 0 ? 1 : 0;
process.stdout.write(
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`,
);
