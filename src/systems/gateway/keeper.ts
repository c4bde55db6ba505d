import type { Log } from '../../core/log.ts';
import type { Problem, SayProblems } from '../problems.ts';
import { startThread, type Thread } from '../thread.ts';
import { KEEPER_TIMES, type KeeperTimes, keepThread, type ThreadKeeper } from '../thread-keeper.ts';
import type { LeaseMore } from './leases.ts';
import type { NoteFromThread, NoteToThread, Questions, ServingSettings, ThreadData } from './messages.ts';

type GatewayThread = Thread<Questions, NoteToThread>;

export interface GatewayKeeperDeps {
  /** The program of the thread. */
  readonly script: URL;
  /** Where the access log is. */
  readonly folder: string;
  readonly leaseMore: LeaseMore;
  /** What to serve by, and what is wrong with it already. Nothing where there is nothing to serve. */
  readonly settings: () => Promise<
    { readonly serving: ServingSettings; readonly problems: readonly Problem[] } | undefined
  >;
  readonly onSettings: (listener: () => void) => () => void;
  readonly say: SayProblems;
  readonly log: Log;
  readonly times?: KeeperTimes;
}

const NAME = {
  called: 'gateway',
  hint: 'Nobody is answered at it. Look at what the machine has to do, and at the disk of the data folder; a restart of Steward begins it anew.',
};

/** Keeps the gateway's thread as long as there is something to serve. */
export function createGatewayKeeper(deps: GatewayKeeperDeps): ThreadKeeper<GatewayThread> {
  const { script, folder, leaseMore, log, times = KEEPER_TIMES } = deps;
  /** Who is being answered where it stops has so long; or had, by settings of before, where it has moved since. */
  let drainMs = 0;

  function begin(onLost: (reason: string) => void): GatewayThread {
    const thread = startThread<Questions, NoteToThread, NoteFromThread>({
      name: NAME,
      script,
      data: { folder } satisfies ThreadData,
      onNote({ number, asked, leaseMs }) {
        leaseMore(asked, leaseMs).then(
          (leased) => thread.tell({ is: 'leased', number, leased }),
          (thrown: unknown) => thread.tell({ is: 'not-leased', number, reason: String(thrown) }),
        );
      },
      onLost,
      log,
      times,
    });
    return thread;
  }

  return keepThread({
    called: NAME.called,
    settings: deps.settings,
    begin: (_, onLost) => begin(onLost),
    async follow(thread, { serving, problems }) {
      drainMs = Math.max(drainMs, serving.drainMs);
      const followed = await thread.ask('settings', serving, { anyway: true });
      return { ...followed, problems: [...problems, ...followed.problems] };
    },
    end: (thread) => thread.end({ moreMs: drainMs }),
    onSettings: deps.onSettings,
    say: deps.say,
    log,
    times,
  });
}
