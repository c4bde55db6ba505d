/** What the engine told of one container. */
export interface ContainerEvent {
  readonly container: string;
  readonly action: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly signal: string | undefined;
}

export const FOLLOWED = ['start', 'kill', 'die', 'stop', 'restart', 'destroy'] as const;

// HUP and USR1 ask a program to do something else than end.
const ENDING = new Set(['2', '3', '9', '15', 'SIGINT', 'SIGQUIT', 'SIGKILL', 'SIGTERM', 'INT', 'QUIT', 'KILL', 'TERM']);
// A signal that the program ignored does not explain a death much later.
const KILL_EXPLAINS_MS = 30_000;

/**
 * Why containers stopped, as their events tell. A stop or a signal through the API is somebody's decision; a death
 * without either is none, whatever the exit code says of the signal.
 */
export class StopReasons {
  readonly #lives = new Map<string, Life>();

  note(event: ContainerEvent): void {
    const life = this.#lives.get(event.container) ?? NEW;
    const next = this.#after(life, event);
    if (next) this.#lives.set(event.container, next);
    else this.#lives.delete(event.container);
  }

  /** Whether the death that ended the life begun at `startedAt` was wanted; undefined where that death was not seen. */
  of(container: string, startedAt: number): boolean | undefined {
    const life = this.#lives.get(container);
    return life?.diedAt === undefined || life.diedAt < startedAt ? undefined : life.onPurpose && !life.forgiven;
  }

  /** Steward stopped it to start it again and could not: that is no operator's wish. */
  forgive(container: string, at: number): void {
    this.#lives.set(container, { ...NEW, diedAt: at, forgiven: true });
  }

  #after(life: Life, { action, at, signal }: ContainerEvent): Life | undefined {
    switch (action) {
      case 'destroy':
        return undefined;
      case 'start':
        return NEW;
      case 'kill':
        return signal === undefined || ENDING.has(signal) ? { ...life, killedAt: at } : life;
      case 'die':
        return {
          ...life,
          diedAt: at,
          onPurpose: life.killedAt !== undefined && at - life.killedAt <= KILL_EXPLAINS_MS,
        };
      case 'stop':
        return { ...life, diedAt: life.diedAt ?? at, onPurpose: true };
      default:
        return life;
    }
  }
}

interface Life {
  readonly killedAt: number | undefined;
  readonly diedAt: number | undefined;
  readonly onPurpose: boolean;
  readonly forgiven: boolean;
}

const NEW: Life = { killedAt: undefined, diedAt: undefined, onPurpose: false, forgiven: false };

/**
 * What the exit code alone says, for a death that nobody saw: 0 is a clean exit, 143 and 130 answer SIGTERM and SIGINT,
 * which is how people and the engine stop things; 137 is SIGKILL, which is how the kernel and crashes do.
 */
export function wantedByExitCode(exitCode: number, oomKilled: boolean): boolean {
  return !oomKilled && (exitCode === 0 || exitCode === 143 || exitCode === 130);
}
