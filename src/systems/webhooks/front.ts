import { startThread, type Thread, type ThreadTimes } from '../thread.ts';
import type { NoteFromThread, NoteToThread, Questions, ThreadData } from './messages.ts';
import type { Log } from '../../core/log.ts';

/** The receiver's thread, as the main thread has it. */
export type Front = Thread<Questions, NoteToThread>;

export interface FrontDeps {
  /** The program of the thread. */
  readonly script: URL;
  readonly data: ThreadData;
  readonly onWrote: (segment: number, size: number) => void;
  readonly onSealed: (segment: number) => void;
  /** It ended, and nobody had asked it to. */
  readonly onLost: (reason: string) => void;
  readonly log: Log;
  readonly times: ThreadTimes;
}

export const RECEIVER = {
  called: 'receiver of webhooks',
  hint: 'Its thread waits for the disk most probably: look at the disk of the data folder.',
};

export function startFront({ onWrote, onSealed, ...rest }: FrontDeps): Front {
  return startThread<Questions, NoteToThread, NoteFromThread>({
    ...rest,
    name: RECEIVER,
    onNote(note) {
      if (note.is === 'wrote') onWrote(note.segment, note.size);
      else onSealed(note.segment);
    },
  });
}
