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
  readonly #lives = new Map<string, { killedAt: number | undefined; diedAt: number | undefined; onPurpose: boolean }>();

  note(event: ContainerEvent): void {
    const life = this.#lives.get(event.container) ?? { killedAt: undefined, diedAt: undefined, onPurpose: false };
    switch (event.action) {
      case 'destroy':
        this.#lives.delete(event.container);
        return;
      case 'start':
        this.#lives.set(event.container, { killedAt: undefined, diedAt: undefined, onPurpose: false });
        return;
      case 'kill':
        if (event.signal === undefined || ENDING.has(event.signal)) life.killedAt = event.at;
        break;
      case 'die':
        life.diedAt = event.at;
        life.onPurpose = life.killedAt !== undefined && event.at - life.killedAt <= KILL_EXPLAINS_MS;
        break;
      case 'stop':
        life.onPurpose = true;
        life.diedAt ??= event.at;
        break;
      default:
        return;
    }
    this.#lives.set(event.container, life);
  }

  /** Whether the container's last death was wanted; undefined where that death was not seen. */
  of(container: string, finishedAt: number): boolean | undefined {
    const life = this.#lives.get(container);
    // The engine notes the death and the event some milliseconds apart.
    if (life?.diedAt === undefined || Math.abs(life.diedAt - finishedAt) > 5000) return undefined;
    return life.onPurpose;
  }

  /** Steward stopped it to start it again and could not: that is no operator's wish. */
  forgive(container: string): void {
    const life = this.#lives.get(container);
    if (life) this.#lives.set(container, { ...life, onPurpose: false });
  }
}

/**
 * What the exit code alone says, for a death that nobody saw: 0 is a clean exit, 143 and 130 answer SIGTERM and SIGINT,
 * which is how people and the engine stop things; 137 is SIGKILL, which is how the kernel and crashes do.
 */
export function wantedByExitCode(exitCode: number, oomKilled: boolean): boolean {
  return !oomKilled && (exitCode === 0 || exitCode === 143 || exitCode === 130);
}
