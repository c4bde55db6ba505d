// The gateway's thread: requests are served here and nothing else runs, so that neither the store nor anything that Steward does
// beside keeps one waiting, and its heap is of requests alone. What it needs of the rest comes as messages.
import { workerData } from 'node:worker_threads';
import { answerMain, threadSide } from '../thread-side.ts';
import { leaseByMessage } from './lease-by-message.ts';
import type { NoteFromThread, NoteToThread, Questions, ThreadData } from './messages.ts';
import { createServe, type ServeDeps } from './serve.ts';
import { within } from './within.ts';

/** One that hangs is no reason to think that nobody is served. Shorter than an answer may take. */
const DISK_MS = 5_000;

export function serveGateway(means: Pick<ServeDeps, 'requests' | 'addresses' | 'now'>): void {
  const { tell, log } = threadSide<NoteFromThread>();
  const lease = leaseByMessage(tell);
  const { folder } = workerData as ThreadData;
  const serve = createServe({ ...means, folder, leaseMore: lease.more, log });
  answerMain<Questions>(
    {
      settings: (wanted) => serve.follow(wanted),
      serving: () => serve.serving(),
      flush: () => within(DISK_MS, serve.flush()).then(() => null),
      tidy: () => within(DISK_MS, serve.tidy()).then(() => null),
      stop: () => serve.stop().then(() => null),
    },
    (note: NoteToThread) => {
      if (note.is === 'services') serve.locate(note.services);
      else lease.came(note);
    },
  );
}
