import { existsSync } from 'node:fs';

import type { MachineUser } from '../../src/reachable.ts';
import {
  giveTo,
  makeTemporaryFolder,
  removeNow,
  temporaryDirectory,
  temporaryDirectoryProblem,
  tryOut,
} from './temporary-directory.ts';

/** A folder that was tried out, and that no command has used yet. */
interface TriedFolder {
  path: string;
  /** Where it was made. TMPDIR may have changed since. */
  directory: string;
}

/** The folders that no command has used yet, of all runners of this process. */
const unused = new Set<string>();
let removesAtExit = false;

/**
 * The folders of one runner's commands. Whether a folder can be made and written to is tried out
 * before each intent, and the folder with which that was done serves the command: making and
 * removing a second one would take as long again.
 */
export class CommandFolders {
  readonly #user: MachineUser | undefined;
  #tried: TriedFolder | undefined;

  /** @param user whom the folders are for; undefined: the replica's own */
  constructor(user: MachineUser | undefined) {
    this.#user = user;
  }

  /**
   * Why no command can be run; undefined when one can. What is wrong is said as
   * `temporaryDirectoryProblem` says it.
   */
  problem(): string | undefined {
    if (this.#canBeUsed()) return undefined;
    this.#discard();
    // Made as the replica's. It is given to the user with the command: until then no other command
    // of that user can write to it.
    return temporaryDirectoryProblem(this.#user, (path) => this.#keep(path));
  }

  /**
   * A folder for a command: the one that was tried out, if there is one.
   *
   * @throws the system's error
   */
  take(): string {
    const tried = this.#tried;
    const isThere = tried?.directory === temporaryDirectory() && existsSync(tried.path);
    if (!isThere) this.#discard();
    this.#tried = undefined;
    const path = isThere ? tried.path : makeTemporaryFolder();
    unused.delete(path);
    if (this.#user !== undefined) giveTo(path, this.#user);
    return path;
  }

  /** Tries the folder out again: the disk may have filled up meanwhile. */
  #canBeUsed(): boolean {
    if (this.#tried?.directory !== temporaryDirectory()) return false;
    try {
      tryOut(this.#tried.path);
      return true;
    } catch {
      // Another one may be possible: something else may have removed this one.
      return false;
    }
  }

  #keep(path: string): void {
    this.#tried = { path, directory: temporaryDirectory() };
    unused.add(path);
    if (removesAtExit) return;
    removesAtExit = true;
    process.on('exit', () => unused.forEach(removeNow));
  }

  #discard(): void {
    if (this.#tried === undefined) return;
    removeNow(this.#tried.path);
    unused.delete(this.#tried.path);
    this.#tried = undefined;
  }
}
