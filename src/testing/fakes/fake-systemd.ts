import { StewardError } from '../../core/errors.ts';
import type { SystemdPort, UnitInfo } from '../../core/ports/systemd.ts';

export interface FakeSystemd extends SystemdPort {
  /** A new unit, running unless the details say otherwise. */
  add(name: string, details?: Partial<UnitInfo>): void;
  /** `systemctl stop`: somebody's decision. */
  stop(name: string): void;
  /** The main process ends with a failure. */
  crash(name: string, details?: { readonly result?: string; readonly status?: number }): void;
  remove(name: string): void;
  change(name: string, details: Partial<UnitInfo>): void;
  say(name: string, line: string): void;
  setAvailable(available: boolean): void;
  /** What restarts of a unit do: work, fail as a job, be answered with yes and crash at once, or be answered with yes and not happen. */
  onRestart(name: string, behavior: 'works' | 'fails' | 'crashes' | 'ignored'): void;
  readonly restarts: readonly { readonly unit: string; readonly at: Date }[];
}

interface Held {
  info: UnitInfo;
  lines: string[];
  behavior: 'works' | 'fails' | 'crashes' | 'ignored';
}

/** A systemd in memory. */
export function fakeSystemd(options: { readonly now?: () => Date } = {}): FakeSystemd {
  const now = options.now ?? (() => new Date());
  const held = new Map<string, Held>();
  const restarts: { unit: string; at: Date }[] = [];
  let available = true;
  let pids = 30_000;

  function get(name: string): Held {
    const found = held.get(name);
    if (!found)
      throw new StewardError('NOT_FOUND', `systemd: Unit ${name} not found.`, {
        hint: 'List what there is: systemctl list-units --all.',
      });
    return found;
  }

  function answer(): void {
    if (!available)
      throw new StewardError(
        'UNAVAILABLE',
        'systemd does not answer: System has not been booted with systemd as init system (PID 1).',
      );
  }

  function begin(one: Held): void {
    one.info = {
      ...one.info,
      activeState: 'active',
      subState: 'running',
      result: 'success',
      mainPid: ++pids,
      execMainStatus: 0,
      activeSince: now(),
    };
  }

  function end(one: Held, activeState: 'inactive' | 'failed', result: string, status: number): void {
    one.info = {
      ...one.info,
      activeState,
      subState: activeState === 'failed' ? 'failed' : 'dead',
      result,
      mainPid: 0,
      execMainStatus: status,
      inactiveSince: now(),
    };
  }

  return {
    restarts,

    async services() {
      answer();
      return [...held.values()].map(({ info }) => info);
    },

    async unit(name) {
      answer();
      return held.get(name)?.info;
    },

    async restart(name, _scope, signal) {
      answer();
      if (signal.aborted) throw new StewardError('CANCELED', 'systemctl was canceled.');
      const one = get(name);
      restarts.push({ unit: name, at: now() });
      if (one.behavior === 'ignored') return;
      if (one.behavior === 'fails') {
        end(one, 'failed', 'exit-code', 1);
        throw new StewardError('PROGRAM_FAILED', `systemctl restart -- ${name} ended with 1: Job for ${name} failed.`, {
          hint: 'Look at the unit: systemctl status, journalctl -u.',
        });
      }
      begin(one);
      if (one.behavior === 'crashes') end(one, 'failed', 'exit-code', 1);
    },

    async logs(name, _scope, { tail }) {
      answer();
      return (held.get(name)?.lines ?? []).slice(-tail);
    },

    add(name, details = {}) {
      const info: UnitInfo = {
        unit: name,
        scope: 'system',
        description: name,
        loadState: 'loaded',
        activeState: 'active',
        subState: 'running',
        result: 'success',
        mainPid: ++pids,
        execMainStatus: 0,
        restarts: 0,
        restartPolicy: 'no',
        activeSince: now(),
        inactiveSince: undefined,
        fragmentPath: `/etc/systemd/system/${name}`,
        ...details,
      };
      held.set(name, { info, lines: [], behavior: 'works' });
    },
    stop: (name) => end(get(name), 'inactive', 'success', 0),
    crash: (name, { result = 'exit-code', status = 1 } = {}) => end(get(name), 'failed', result, status),
    remove: (name) => void held.delete(name),
    change(name, details) {
      const one = get(name);
      one.info = { ...one.info, ...details };
    },
    say: (name, line) => void get(name).lines.push(line),
    setAvailable(yes) {
      available = yes;
    },
    onRestart(name, behavior) {
      get(name).behavior = behavior;
    },
  };
}
