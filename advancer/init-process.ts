/**
 * What to say at startup of a process that is the first of its container: the kernel gives it every
 * process that a command leaves behind, and Node.js only waits for those that it has started
 * itself, so each of the others stays a zombie until the container ends.
 */
export function initWarning(pid: number): string | undefined {
  if (pid !== 1) return undefined;
  return (
    'this process is PID 1 and cannot reap the processes that commands leave behind, which stay as ' +
    'zombies; start `leasehold` itself instead of `node`, or use an init: `docker run --init`, `init: true` in a compose file, a pod with ' +
    '`shareProcessNamespace: true`, or `tini -- leasehold advancer` as the entry point'
  );
}
