import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { retargetSources } from './apt-sources.ts';
import { runCommand, tailOf } from './command.ts';
import type { CommandResult } from './command.ts';

/** apt with package lists in a separate directory: it needs no root and installs nothing. */
export interface Apt {
  /** Runs `apt-get` or `apt-cache`. */
  run(tool: 'apt-get' | 'apt-cache', ...argv: readonly string[]): Promise<CommandResult>;
  /**
   * Downloads packages and unpacks all of them into `unpacked` in the directory.
   *
   * @returns why it failed, if it did
   */
  unpack(packages: readonly string[]): Promise<string | undefined>;
}

/**
 * apt for a suite of the system's mirror.
 *
 * @param suite undefined for the system's
 * @returns undefined if the system's apt sources name no such suite
 */
export async function aptOf(dir: string, suite: string | undefined): Promise<Apt | undefined> {
  await mkdir(join(dir, 'lists', 'partial'), { recursive: true });
  await mkdir(join(dir, 'archives', 'partial'), { recursive: true });
  const settings = [`Dir::State=${dir}`, `Dir::State::lists=${dir}/lists`, `Dir::Cache=${dir}`];
  settings.push(
    'Dir::State::status=/var/lib/dpkg/status',
    'Acquire::Languages=none',
    'Acquire::Retries=2',
  );
  // As root, apt would switch to its own user, which may not be able to reach the cache.
  settings.push('APT::Sandbox::User=root');
  if (suite !== undefined) {
    const sources = await retargetedSources(suite);
    if (sources === '') return undefined;
    await writeFile(join(dir, 'suite.sources'), sources);
    settings.push(`Dir::Etc::sourcelist=${dir}/suite.sources`, 'Dir::Etc::sourceparts=-');
  }
  const options = settings.flatMap((setting) => ['-o', setting]);
  return {
    run: (tool, ...argv) => runCommand(tool, ['-q', ...options, ...argv], { cwd: dir }),
    async unpack(packages) {
      const argv = ['-q', ...options, 'download', ...packages];
      const download = await runCommand('apt-get', argv, { cwd: dir });
      const archives = (await readdir(dir)).filter((file) => file.endsWith('.deb'));
      if (download.code !== 0 || archives.length === 0)
        return `download failed: ${tailOf(download.stderr, 2)}`;
      for (const archive of archives) {
        const into = join(dir, 'unpacked');
        const unpack = await runCommand('dpkg-deb', ['-x', join(dir, archive), into]);
        if (unpack.code !== 0) return `unpacking failed: ${tailOf(unpack.stderr, 2)}`;
      }
      return undefined;
    },
  };
}

/** The system's apt sources, rewritten for another suite. */
async function retargetedSources(suite: string): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME="?([a-z]+)"?/m.exec(release)?.[1] ?? 'stable';
  const parts = (await readdir('/etc/apt/sources.list.d').catch(() => []))
    .filter((file) => /\.(list|sources)$/.test(file))
    .map((file) => join('/etc/apt/sources.list.d', file));
  const rewritten: string[] = [];
  for (const file of ['/etc/apt/sources.list', ...parts]) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const sources = retargetSources(text, codename, suite);
    if (sources !== '') rewritten.push(sources);
  }
  return rewritten.join('\n');
}
