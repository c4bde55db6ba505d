import type { MachineGauges } from '../../core/ports/gauges.ts';
import { readProc } from '../procfs/read.ts';
import { isOverTheNetwork, mountOf, readDisks, spaceOf } from './disks.ts';
import { groupMemoryOf } from './group-memory.ts';
import { readLoad } from './load.ts';
import { readMemory } from './memory.ts';

const MOUNTS = '/proc/self/mounts';

/** What /proc and the file systems say of this machine; `read` may answer for /proc. */
export function createGauges(read: (path: string) => string | undefined = readProc): MachineGauges {
  return {
    disks: readDisks,
    async diskOf(path) {
      const mount = mountOf(path, read(MOUNTS) ?? '') ?? { device: 'unknown', mount: path };
      try {
        return await spaceOf(path, mount);
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw thrown;
      }
    },
    remote(path) {
      const type = mountOf(path, read(MOUNTS) ?? '')?.type;
      return type !== undefined && isOverTheNetwork(type) ? type : undefined;
    },
    memory: () => readMemory(read),
    memoryOf: (pid) => groupMemoryOf(pid, read),
    load: () => readLoad(read),
  };
}
