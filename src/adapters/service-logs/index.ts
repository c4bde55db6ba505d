import { StewardError } from '../../core/errors.ts';
import type { RawLine, ServiceLogs } from '../../core/service-logs.ts';
import type { DockerAdapter } from '../docker/index.ts';
import { openLogFiles, tailFile } from '../evidence/log-files.ts';
import type { Systemd } from '../systemd/index.ts';
import { followContainer, stamped } from './container-log.ts';
import { followFiles } from './file-log.ts';
import { followJournal, journalLine } from './journal-log.ts';

/** Of one file, when its last lines are asked for. */
const TAIL_BYTES = 4 * 1_024 * 1_024;
const MAX_PIDS = 8;

/** Where a service's log is follows from who keeps it running. */
export function createServiceLogs({
  docker,
  systemd,
}: {
  readonly docker: Pick<DockerAdapter, 'followLogs' | 'stampedLogs'>;
  readonly systemd: Pick<Systemd, 'journal'>;
}): ServiceLogs {
  return {
    async read({ supervisor, pids, name }, { lines, since }) {
      if (supervisor.kind === 'docker') {
        const found = await docker.stampedLogs(supervisor.container, { tail: lines, since });
        const source = `container ${supervisor.name}`;
        return found.map(stamped).map(({ at, text }) => ({ at, text, source }));
      }
      if (supervisor.kind === 'systemd') {
        const entries = await systemd.journal(supervisor.unit, supervisor.scope, { lines, since });
        return entries.map((entry) => journalLine(entry, supervisor.unit));
      }
      const paths = new Set((await Promise.all(pids.slice(0, MAX_PIDS).map(openLogFiles))).flat());
      if (paths.size === 0)
        throw new StewardError('UNAVAILABLE', `${name} holds no log file open that Steward may read.`, {
          hint: 'Let it write to a file, or run it as a unit or in a container.',
          retryable: false,
        });
      const found: RawLine[] = [];
      for (const path of paths) {
        const tail = await tailFile(path, { lines, bytes: TAIL_BYTES });
        found.push(...(tail?.lines ?? []).map((text) => ({ text, source: path })));
      }
      return found;
    },

    async follow(current, emit, signal) {
      const kind = (await current())?.supervisor.kind;
      if (kind === 'docker') return await followContainer(docker, current, emit, signal);
      if (kind === 'systemd') return await followJournal(systemd, current, emit, signal);
      return await followFiles(current, emit, signal);
    },
  };
}
