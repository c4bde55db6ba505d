import type { Bytes, Doing } from '../../../core/backup/store.ts';
import { backup, type BackedUp } from './backup.ts';
import type { Restic } from './program.ts';

/** A `restic backup` that has opened the repository, or does so, and waits for what it is to keep. */
export interface Waiting {
  /** Whether it can still be given anything: it waits no more where it failed, or was let go. */
  readonly there: boolean;
  give(content: Uint8Array): Promise<BackedUp>;
  /** Ends it before it sees an end of its input, so that no snapshot comes of it. Resolves when it is gone. */
  letGo(): Promise<void>;
}

/** Opening a repository takes longer than keeping a few megabytes there: what is kept last opens it while the rest is kept. */
export function startWaiting(restic: Restic, args: readonly string[], key: string, { signal }: Doing): Waiting {
  const content = Promise.withResolvers<Uint8Array>();
  // Nobody asks for it where the program never starts.
  content.promise.catch(() => undefined);
  let there = true;
  async function* input(): Bytes {
    yield await content.promise;
  }
  const running = backup(restic, ['--stdin', ...args], key, { doing: { signal }, input: input() });
  const ended = running.then(
    () => undefined,
    () => void (there = false),
  );
  return {
    get there() {
      return there;
    },
    give(bytes) {
      there = false;
      content.resolve(bytes);
      return running;
    },
    async letGo() {
      there = false;
      content.reject(new Error('it is not needed any more'));
      await ended;
    },
  };
}
