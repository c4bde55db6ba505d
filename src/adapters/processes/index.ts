import { StewardError } from '../../core/errors.ts';
import type { PortStatus } from '../../core/ports.ts';
import type { ProcessInfo, ProcessesPort } from '../../core/ports/processes.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import { isAlive } from '../procfs/identity.ts';
import { breathe, processIds, readProc } from '../procfs/read.ts';
import { refreshUserNames } from '../procfs/users.ts';
import { readProcess } from './details.ts';
import { launch } from './launch.ts';
import { readRecipe } from './recipe.ts';

export interface Processes extends ProcessesPort {
  status(): Promise<PortStatus>;
}

/** Processes of this machine, from /proc. `programs` starts systemd-run where Steward itself is a unit. */
export function createProcesses({ programs }: { readonly programs: ProgramsPort }): Processes {
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

    async recipe(pid) {
      return readRecipe(pid);
    },

    async launch(recipe, options) {
      return launch(recipe, options, programs);
    },
  };
}
