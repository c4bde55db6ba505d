import { isAbsolute, join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { PortStatus } from '../../core/ports.ts';
import type { ProcessInfo, ProcessesPort } from '../../core/ports/processes.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import { isAlive } from '../procfs/identity.ts';
import { breathe, processIds, readProc } from '../procfs/read.ts';
import { refreshUserNames } from '../procfs/users.ts';
import { capture } from './capture.ts';
import { readProcess } from './details.ts';
import { launch } from './launch.ts';

export interface Processes extends ProcessesPort {
  status(): Promise<PortStatus>;
}

export interface ProcessesOptions {
  /** Starts systemd-run where Steward itself is a unit. */
  readonly programs: ProgramsPort;
  /** Where launched programs print to, as far as the launch names no absolute path. */
  readonly outputFolder?: string | undefined;
}

/** Processes of this machine, from /proc. */
export function createProcesses({ programs, outputFolder }: ProcessesOptions): Processes {
  const outputAt = (path: string): string => {
    if (isAbsolute(path)) return path;
    if (outputFolder === undefined) throw new StewardError('INTERNAL', `Nobody said where ${path} is.`);
    return join(outputFolder, path);
  };
  return {
    async status() {
      return readProc('/proc/self/stat') === undefined
        ? { ok: false, reason: 'Processes are read from /proc, which this machine does not have.' }
        : { ok: true };
    },

    async list() {
      refreshUserNames();
      const found: ProcessInfo[] = [];
      await breathe(processIds(), (pid) => {
        const info = readProcess(pid);
        if (info) found.push(info);
      });
      return found;
    },

    async get(pid) {
      refreshUserNames();
      return readProcess(pid);
    },

    async signal(identity, signal) {
      if (!isAlive(identity)) return false;
      try {
        process.kill(identity.pid, signal);
        return true;
      } catch (error) {
        // Ended in the microseconds since.
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
        throw new StewardError('FORBIDDEN', `Process ${identity.pid} belongs to another user: ${signal} was refused.`, {
          hint: 'Run Steward as root, or as the user of that process.',
          cause: error,
        });
      }
    },

    async capture(identity, variables) {
      return capture(identity, variables);
    },

    async launch(recipe, { env, outputPath }) {
      return await launch(recipe, { env, outputPath: outputAt(outputPath) }, programs);
    },
  };
}
