import { statfs } from 'node:fs/promises';
import type { StewardError } from './core/errors.ts';
import { formatDuration } from './core/duration.ts';
import type { ModeRecord } from './core/mode.ts';
import type { PortStatus } from './core/ports.ts';
import type { Audit } from './systems/audit/index.ts';
import type { Notice } from './systems/status/index.ts';

export interface NoticeParts {
  readonly home: string;
  readonly docker: { status(): Promise<PortStatus> };
  readonly systemd: { status(): Promise<PortStatus> };
  readonly mode: () => Promise<ModeRecord>;
  /** Why the configuration as it stands is not the one in force. */
  readonly rejected: StewardError | undefined;
  readonly noChannel: string | undefined;
  readonly deadManConfigured: boolean;
  readonly audit: Pick<Audit, 'deliveries'>;
  readonly now: () => Date;
}

/** Below this, PostgreSQL may not be able to write its log ahead. */
const ROOM_NEEDED_MIB = 100;

/** A receiver of the audit log may be restarted without anybody being told. */
const SILENT_FOR_MS = 60_000;

/** What a person should know although no service is broken, with what to do about it. */
export async function noticesOf(parts: NoticeParts): Promise<Notice[]> {
  const { home, rejected, noChannel, deadManConfigured } = parts;
  const [docker, systemd, roomMiB, mode] = await Promise.all([
    parts.docker.status(),
    parts.systemd.status(),
    roomIn(home),
    // Where the store is away, that is told already.
    parts.mode().catch((): ModeRecord => ({ mode: 'normal' })),
  ]);
  const all: (Notice | false | undefined)[] = [
    mode.mode !== 'normal' && {
      id: 'mode',
      level: mode.mode === 'stopped' ? 'critical' : 'warning',
      text: `${mode.mode === 'stopped' ? 'Steward is stopped: nothing that changes begins' : 'Steward only observes: everything is planned, nothing is applied'} (${mode.by ?? 'somebody'}, ${mode.since?.toISOString() ?? 'some time ago'}: ${mode.reason ?? 'no reason given'}).`,
      hint: 'An administrator lets it go on: steward mode normal --reason TEXT',
    },
    rejected && {
      id: 'configuration',
      level: 'critical',
      text: `The configuration as it stands is refused; the last good one is in force. ${rejected.message}`,
      hint: rejected.hint,
    },
    roomMiB < ROOM_NEEDED_MIB && {
      id: 'disk',
      level: 'critical',
      text: `The disk that holds ${home} is full: ${roomMiB} MB are left, and what is seen from now on may not be kept.`,
      hint: `Free some space there (df -h ${home}); Steward goes on by itself.`,
    },
    noChannel !== undefined && { id: 'channels', level: 'warning', text: noChannel },
    !deadManConfigured && {
      id: 'dead-man',
      level: 'warning',
      text: 'Nobody would notice if Steward itself died: no dead-man address is configured.',
      hint: 'Add deadMan.url to steward.yaml.',
    },
    process.getuid?.() !== 0 && {
      id: 'not-root',
      level: 'info',
      text: 'Steward does not run as root: it sees and restarts only what this user may.',
    },
    !docker.ok && {
      id: 'docker',
      level: 'info',
      text: `Containers are not seen: ${docker.reason ?? 'no engine answers'}`,
    },
    !systemd.ok && {
      id: 'systemd',
      level: 'info',
      text: `Units are not seen: ${systemd.reason ?? 'systemd does not answer'}`,
    },
    ...(await lateDeliveries(parts)),
  ];
  return all.filter((notice) => notice !== false && notice !== undefined);
}

/** Where the audit log should be as well and is not. */
async function lateDeliveries({ audit, now }: NoticeParts): Promise<Notice[]> {
  // What cannot be asked for now is asked for again; the store being away has a notice of its own.
  const deliveries = await audit.deliveries().catch(() => []);
  return deliveries.flatMap(({ kind, to, behind, failingSince, error }) => {
    const since = failingSince === undefined ? 0 : now().getTime() - failingSince.getTime();
    if (since < SILENT_FOR_MS) return [];
    const what = kind === 'forward' ? 'The audit log is not forwarded' : 'Checkpoints of the audit log are not written';
    return {
      id: `audit:${to}`,
      level: 'warning' as const,
      text: `${what} to ${to} for ${formatDuration(since)}; ${behind} records wait. ${error ?? ''}`.trim(),
      hint: 'It is tried again by itself; see steward audit deliveries.',
    };
  });
}

async function roomIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.floor((bavail * bsize) / 1024 ** 2);
}
