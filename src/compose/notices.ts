import { statfs } from 'node:fs/promises';
import type { Problem, StewardError } from '../core/errors.ts';
import { formatDuration } from '../core/duration.ts';
import type { ModeRecord } from '../core/mode.ts';
import type { NodeRecord } from '../core/node.ts';
import { LABEL_PROBLEMS } from '../core/group.ts';
import type { PortStatus } from '../core/ports.ts';
import type { Resource } from '../core/resource.ts';
import { KIT_HINT } from '../recovery-kit.ts';
import type { Pause } from '../engine/pauses.ts';
import type { Audit } from '../systems/audit/index.ts';
import type { Notice } from '../systems/status/index.ts';

export interface NoticeParts {
  readonly home: string;
  readonly docker: { status(): Promise<PortStatus> };
  readonly systemd: { status(): Promise<PortStatus> };
  readonly mode: () => Promise<ModeRecord>;
  /** Why the configuration as it stands is not the one in force. */
  readonly rejected: StewardError | undefined;
  /** Files of runbooks that are not in force. */
  readonly runbookProblems: readonly Problem[];
  readonly noChannel: string | undefined;
  /** What is not kept of what is measured. */
  readonly unmeasured: string | undefined;
  readonly deadManConfigured: boolean;
  readonly nodes: () => Promise<readonly NodeRecord[]>;
  readonly pauses: () => Promise<readonly Pause[]>;
  /** Services with the labels that the inventory keeps of them. */
  readonly labelled: () => Promise<readonly Pick<Resource, 'name' | 'labels'>[]>;
  /** What is wrong with how checks name places. */
  readonly lackingPlaces: () => Promise<readonly string[]>;
  readonly audit: Pick<Audit, 'deliveries'>;
  /** Why nobody could restore without this machine. */
  readonly kit: () => Promise<string | undefined>;
  readonly now: () => Date;
}

/** Below this, PostgreSQL may not be able to write its log ahead. */
const ROOM_NEEDED_MIB = 100;

/** A receiver of the audit log may be restarted without anybody being told. */
const SILENT_FOR_MS = 60_000;

/** What a person should know although no service is broken, with what to do about it. */
export async function noticesOf(parts: NoticeParts): Promise<Notice[]> {
  const { home, rejected, noChannel, deadManConfigured } = parts;
  const [docker, systemd, roomMiB, mode, kit] = await Promise.all([
    parts.docker.status(),
    parts.systemd.status(),
    roomIn(home),
    // Where the store is away, that is told already.
    parts.mode().catch((): ModeRecord => ({ mode: 'normal' })),
    parts.kit(),
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
    parts.runbookProblems.length > 0 && {
      id: 'runbooks',
      level: 'warning',
      text: `A runbook is not in force: ${parts.runbookProblems[0]?.path}: ${parts.runbookProblems[0]?.message}`,
      hint: 'Correct the file and start Steward again; all that is wrong is in steward runbooks --json.',
    },
    roomMiB < ROOM_NEEDED_MIB && {
      id: 'disk',
      level: 'critical',
      text: `The disk that holds ${home} is full: ${roomMiB} MB are left, and what is seen from now on may not be kept.`,
      hint: `Free some space there (df -h ${home}); Steward goes on by itself.`,
    },
    noChannel !== undefined && { id: 'channels', level: 'warning', text: noChannel },
    parts.unmeasured !== undefined && {
      id: 'metrics',
      level: 'warning',
      text: parts.unmeasured,
      hint: 'Raise metrics.series in steward.yaml, or have fewer things watched.',
    },
    kit !== undefined && { id: 'recovery-kit', level: 'warning', text: kit, hint: KIT_HINT },
    !deadManConfigured && {
      id: 'dead-man',
      level: 'warning',
      text: 'Nobody would notice if Steward itself died: no dead-man address is configured.',
      hint: 'Add deadMan.url to steward.yaml.',
    },
    ...(await parts.pauses()).map((pause) => aboutPause(pause, parts.now())),
    ...(await parts.nodes()).flatMap(aboutNode),
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
    ...(await parts.lackingPlaces()).map((text, index): Notice => ({
      id: `places-${index + 1}`,
      level: 'warning',
      text,
      hint: 'steward probe list shows the places; steward probe invite NAME makes one.',
    })),
    ...(await parts.labelled()).flatMap(aboutLabels),
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

/** Above this, logs of several nodes are hard to read together, and schedules come early or late. */
const CLOCK_OFF_BY_MS = 2_000;

function aboutNode({ name, state, draining, clockSkewMs = 0 }: NodeRecord): Notice[] {
  if (state !== 'alive') return [];
  const off = Math.abs(clockSkewMs);
  const clock: Notice = {
    id: `clock:${name}`,
    level: 'warning',
    text: `The clock of ${name} is ${(off / 1_000).toFixed(1)} s ${clockSkewMs > 0 ? 'ahead of' : 'behind'} the clock of the database.`,
    hint: 'Have a time service set it (timedatectl set-ntp true): nodes are not compared by their own clocks, but schedules come by them.',
  };
  const drain: Notice = {
    id: `draining:${name}`,
    level: 'info',
    text: `${name} drains: it begins no new work but healing its own machine.`,
    hint: `When it shall work again: steward node resume ${name}`,
  };
  return [...(off > CLOCK_OFF_BY_MS ? [clock] : []), ...(draining ? [drain] : [])];
}

/** Paused for longer than this, it may have been forgotten. */
const FORGOTTEN_MS = 7 * 86_400_000;

function aboutPause({ component, by, reason, since, until }: Pause, now: Date): Notice {
  const length = now.getTime() - since.getTime();
  const end = until ? `until ${until.toISOString()}` : 'until somebody resumes it';
  return {
    id: `paused:${component}`,
    level: length > FORGOTTEN_MS ? 'warning' : 'info',
    text: `${component} does not start by itself for ${formatDuration(length)} now, ${end} (${by}: ${reason}).`,
    hint: `When it shall run again: steward schedule resume ${component}`,
  };
}

function aboutLabels({ name, labels }: Pick<Resource, 'name' | 'labels'>): Notice[] {
  const [first, ...more] = labels[LABEL_PROBLEMS]?.split('\n') ?? [];
  if (first === undefined) return [];
  return [
    {
      id: `labels:${name}`,
      level: 'warning',
      text: `A label does not count. ${first}${more.length > 0 ? `; ${more.length} more` : ''}`,
      hint: `All of them: steward service ${JSON.stringify(name)}. They are read again with the next scan (steward discover).`,
    },
  ];
}

async function roomIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.floor((bavail * bsize) / 1024 ** 2);
}
