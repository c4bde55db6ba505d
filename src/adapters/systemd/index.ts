import { existsSync } from 'node:fs';
import { StewardError } from '../../core/errors.ts';
import type { PortStatus } from '../../core/ports.ts';
import type { ProgramResult, ProgramsPort } from '../../core/ports/programs.ts';
import type { SystemdPort, UnitInfo } from '../../core/ports/systemd.ts';
import { parseUnits, PROPERTIES } from './unit-info.ts';

export interface SystemdOptions {
  readonly programs: ProgramsPort;
  /** Put before every command, so that it acts elsewhere: ['docker', 'exec', 'name']. */
  readonly prefix?: readonly string[] | undefined;
}

export interface JournalEntry {
  /** What to go on behind. */
  readonly cursor: string;
  readonly at: Date;
  /** 0, emergency, to 7, debug. */
  readonly priority: number;
  readonly message: string;
}

export interface Systemd extends SystemdPort {
  status(): Promise<PortStatus>;
  /** Entries of a unit, oldest first: the last ones, or the first ones behind a cursor. */
  journal(
    name: string,
    scope: 'system' | 'user',
    options: { readonly lines: number; readonly since?: Date | undefined; readonly after?: string | undefined },
  ): Promise<JournalEntry[]>;
}

type Scope = 'system' | 'user';

const LOOK_MS = 10_000;
const JOB_MS = 5 * 60_000;
// A machine with 1,000 units prints about 600 kB.
const OUTPUT_BYTES = 16 * 1024 * 1024;

/** systemd through its own programs. The user's manager is looked at only where Steward's user has one running. */
export function createSystemd({ programs, prefix = [] }: SystemdOptions): Systemd {
  const isInit = () => prefix.length > 0 || existsSync('/run/systemd/system');
  const hasUserManager = () => prefix.length === 0 && existsSync(`/run/user/${process.getuid?.()}/systemd/private`);
  const scopes = (): Scope[] => (hasUserManager() ? ['system', 'user'] : ['system']);

  // Without a fixed zone and language, times and messages could not be read.
  async function run(
    args: readonly string[],
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<ProgramResult> {
    const [program, ...rest] = [...prefix, 'env', 'TZ=UTC', 'LC_ALL=C', 'SYSTEMD_COLORS=0', ...args] as [
      string,
      ...string[],
    ];
    const uid = process.getuid?.();
    return programs.run({
      program,
      args: rest,
      env: { XDG_RUNTIME_DIR: `/run/user/${uid}` },
      outputLimit: OUTPUT_BYTES,
      ...options,
    });
  }

  async function systemctl(
    scope: Scope,
    args: readonly string[],
    options: { timeoutMs: number; signal?: AbortSignal } = { timeoutMs: LOOK_MS },
  ): Promise<ProgramResult> {
    // A program that can only say no is not started for it with every look.
    if (!isInit()) {
      throw new StewardError('UNAVAILABLE', 'systemd is not the init system of this machine.', {
        hint: 'Units can be seen and restarted where systemd is the init system of the machine.',
        retryable: false,
      });
    }
    const result = await run(['systemctl', `--${scope}`, '--no-pager', '--no-ask-password', ...args], options);
    if (result.exitCode === 0) return result;
    const text = result.stderr.trim();
    if (/not been booted with systemd|Failed to connect to bus|Host is down/i.test(text)) {
      throw new StewardError('UNAVAILABLE', `systemd does not answer: ${text.split('\n')[0]}`, {
        hint: 'Units can be seen and restarted where systemd is the init system of the machine.',
      });
    }
    if (/access denied|permission denied|authentication (is )?required|interactive authentication/i.test(text)) {
      throw new StewardError('FORBIDDEN', `systemd refused ${args[0]}: ${text}`, {
        hint: 'Run Steward as root, or allow its user with a polkit rule.',
      });
    }
    if (/not found|not loaded|could not be found/i.test(text))
      throw new StewardError('NOT_FOUND', `systemd: ${text}`, {
        hint: 'List what there is: systemctl list-units --all.',
      });
    throw new StewardError('PROGRAM_FAILED', `systemctl ${args.join(' ')} ended with ${result.exitCode}: ${text}`, {
      hint: 'Look at the unit: systemctl status, journalctl -u.',
    });
  }

  async function show(scope: Scope, names: readonly string[], all: readonly string[] = []): Promise<UnitInfo[]> {
    const { stdout } = await systemctl(scope, ['show', ...all, `--property=${PROPERTIES.join(',')}`, '--', ...names]);
    return parseUnits(stdout, scope);
  }

  async function journalctl(name: string, scope: Scope, args: readonly string[]): Promise<string[]> {
    const unit = unitName(name);
    const filter = scope === 'user' ? `--user-unit=${unit}` : `--unit=${unit}`;
    const result = await run(['journalctl', filter, ...args, '--no-pager', '--quiet'], { timeoutMs: LOOK_MS });
    if (result.exitCode !== 0) {
      throw new StewardError('PROGRAM_FAILED', `journalctl ended with ${result.exitCode}: ${result.stderr.trim()}`, {
        hint: 'Run Steward as root, or add its user to the group systemd-journal.',
      });
    }
    return result.stdout.split('\n').filter((line) => line !== '');
  }

  return {
    async status() {
      try {
        await systemctl('system', ['show', '--property=Version']);
        return { ok: true };
      } catch (error) {
        return { ok: false, reason: StewardError.from(error).message };
      }
    },

    async services() {
      // One call for all: a pattern makes systemctl show every loaded unit that it matches.
      const found = await Promise.all(scopes().map((scope) => show(scope, ['*.service'], ['--all'])));
      return found.flat().filter(({ loadState }) => loadState === 'loaded');
    },

    async unit(name, scope) {
      return (await show(scope, [unitName(name)])).find(({ loadState }) => loadState !== 'not-found');
    },

    async restart(name, scope, signal) {
      const unit = unitName(name);
      // A unit that used up its start limit refuses to start before its counter is cleared.
      await systemctl(scope, ['reset-failed', '--', unit], { timeoutMs: LOOK_MS, signal }).catch((error: unknown) => {
        if (!(error instanceof StewardError && error.code === 'NOT_FOUND')) throw error;
      });
      await systemctl(scope, ['restart', '--', unit], { timeoutMs: JOB_MS, signal });
    },

    async logs(name, scope, { tail }) {
      return await journalctl(name, scope, [`--lines=${tail}`, '--output=short-iso']);
    },

    async journal(name, scope, { lines, since, after }) {
      const place =
        after === undefined
          ? [`--lines=${lines}`, ...(since === undefined ? [] : [`--since=@${Math.floor(since.getTime() / 1000)}`])]
          : [`--after-cursor=${after}`];
      const found = await journalctl(name, scope, [...place, '--output=json']);
      const entries = found.map(entryOf).filter((entry) => entry !== undefined);
      return after === undefined ? entries : entries.slice(0, lines);
    },
  };
}

/** A message that is no text comes as a list of bytes. The last line is cut where there was too much output. */
function entryOf(line: string): JournalEntry | undefined {
  try {
    const found = JSON.parse(line) as Record<string, unknown>;
    const { MESSAGE: message, PRIORITY: priority, __CURSOR: cursor, __REALTIME_TIMESTAMP: micros } = found;
    if (typeof cursor !== 'string') return undefined;
    const text = Array.isArray(message) ? Buffer.from(message as number[]).toString('utf8') : String(message ?? '');
    return { cursor, at: new Date(Number(micros) / 1000), priority: Number(priority ?? 6), message: text };
  } catch {
    return undefined;
  }
}

function unitName(name: string): string {
  if (/^[\w:\-.\\@]+$/.test(name) && !name.startsWith('-')) return name;
  throw new StewardError('INPUT_INVALID', `${JSON.stringify(name)} is not the name of a unit.`, {
    hint: 'Example: nginx.service',
  });
}
