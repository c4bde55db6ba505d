import { stat } from 'node:fs/promises';
import type { Machine } from '../../core/database/tuning.ts';
import type { SocketsPort } from '../../core/ports/sockets.ts';
import { groupMemoryOf } from '../host/group-memory.ts';
import { readMemory } from '../host/memory.ts';
import { readProc } from '../procfs/read.ts';

/** Where a server is, as its source says. */
interface Place {
  readonly host: string;
  readonly port: number;
  readonly container?: string | undefined;
}

export type MachineOf = (place: Place, dataFolder: string | undefined) => Promise<Machine | undefined>;

const HERE = /^(localhost|127\.\d+\.\d+\.\d+|::1|\/.*)$/;

/**
 * What a server on this machine has of it: the memory of its own control group, found by who listens at its port, where that is less than
 * the machine's. Undefined for one on another machine, and in a container, whose limits are not read.
 */
export function createMachineOf({ listeners }: Pick<SocketsPort, 'listeners'>): MachineOf {
  return async ({ host, port, container }, dataFolder) => {
    if (container !== undefined || !HERE.test(host)) return undefined;
    const { totalBytes, availableBytes } = readMemory();
    const all = await listeners({ recent: true }).catch(() => []);
    const [pid] =
      all.find((one) => one.protocol === 'tcp' && one.port === port && one.container === undefined)?.pids ?? [];
    const group = pid === undefined ? undefined : groupMemoryOf(pid, readProc);
    const rotational = dataFolder === undefined ? undefined : await turns(dataFolder);
    const disk = rotational === undefined ? {} : { rotational };
    if (!group || group.limitBytes >= totalBytes)
      return { memoryBytes: totalBytes, availableBytes, of: "the machine's memory", ...disk };
    const free = Math.max(0, Math.min(availableBytes, group.limitBytes - group.usedBytes));
    return {
      memoryBytes: group.limitBytes,
      availableBytes: free,
      of: 'the memory that its control group may hold',
      ...disk,
    };
  };
}

/** Whether the disk below a folder turns, as the kernel says; undefined where the folder cannot be seen, or is on no disk. */
async function turns(folder: string): Promise<boolean | undefined> {
  const found = await stat(folder).catch(() => undefined);
  if (!found) return undefined;
  const device = `/sys/dev/block/${(found.dev >> 8) & 0xf_ff}:${(found.dev & 0xff) | ((found.dev >> 12) & 0xf_ff_00)}`;
  // A partition has no queue of its own: that of its disk is one folder up.
  const said = readProc(`${device}/queue/rotational`) ?? readProc(`${device}/../queue/rotational`);
  return said === undefined ? undefined : said.trim() === '1';
}
