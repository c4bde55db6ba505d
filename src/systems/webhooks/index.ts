import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { HookReceiver } from '../../core/hook-receiver.ts';
import type { Log } from '../../core/log.ts';
import type { QueuePort } from '../../core/ports/queue.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { System } from '../../core/system.ts';
import type { WorkflowService } from '../../core/run-service.ts';
import type { Store } from '../../store/store.ts';
import { createAlias } from './alias.ts';
import { createBringAll } from './bring.ts';
import { queueOperation } from './queue-operation.ts';
import { type Front, startFront } from './front.ts';
import { type Journal, openJournal } from './journal.ts';
import type { Place } from '../listener.ts';
import type { ThreadSettings } from './messages.ts';
import { followOutcomes, type Outcomes } from './outcomes.ts';
import { createRelease } from './release.ts';
import { createMover, type Mover } from './mover.ts';
import { webhookOperations } from './operations.ts';
import { sendOperation } from './operations-send.ts';
import { createWaiting } from './waiting.ts';
import type { WebhookTables } from './tables.ts';
import { webhookJobs } from './upkeep.ts';
import { type ConfiguredType, createHookTypes } from './types.ts';

export { webhookMigrations } from './tables.ts';
export type { ConfiguredType } from './types.ts';

export interface WebhookSettings {
  readonly place: Place;
  readonly types: Readonly<Record<string, ConfiguredType>>;
  readonly journalBytes: number;
  readonly trustedProxies: readonly string[];
}

export interface WebhookDeps {
  readonly store: Store;
  readonly home: string;
  /** The program of the thread that receives. */
  readonly thread: URL;
  readonly settings: () => WebhookSettings;
  /** Called when there are other settings, until the returned function is called. */
  readonly onSettings: (listener: () => void) => () => void;
  readonly secrets: SecretResolver;
  readonly workflows: Pick<WorkflowService, 'startedBy' | 'retry' | 'execution'>;
  readonly keepMs: () => number;
  readonly node: { readonly id: string };
  readonly now: () => Date;
  readonly log: Log;
}

export interface Webhooks extends System {
  readonly receiver: HookReceiver<IncomingMessage, ServerResponse>;
  readonly queue: Pick<QueuePort, 'waiting' | 'begin'>;
}

const REFRESH_MS = 10_000;
/** Of a type that is not configured any more. */
const ONCE = { attempts: 1, backoffMs: 0 };

/** What others send: taken with 202 when it is on disk, brought to the store, told as an event. */
export function createWebhooks(deps: WebhookDeps): Webhooks {
  const { store, settings, secrets, log, now, node } = deps;
  const db = store.db.withTables<WebhookTables>();
  const hooks = createHookTypes({ configured: () => settings().types, secrets, log });
  const folder = join(deps.home, 'webhooks');
  let journal: Journal | undefined;
  let front: Front | undefined;
  let mover: Mover | undefined;
  let url: string | undefined;
  const typeOf = (name: string): ConfiguredType | undefined => settings().types[name];
  const release = createRelease({
    store,
    db,
    workflows: deps.workflows,
    waitsForDead: () => Object.keys(settings().types).filter((name) => typeOf(name)?.afterDead === 'wait'),
    node: node.id,
    now,
    log,
  });
  const bringAll = createBringAll({
    db,
    store,
    node: node.id,
    waitsForDead: (name) => typeOf(name)?.afterDead === 'wait',
    onHeld: release.nudge,
    log,
  });
  let outcomes: Outcomes | undefined;
  let timer: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;
  let problem: string | undefined;
  let stopping = false;
  let following: Promise<unknown> = Promise.resolve();

  /** The thread is there as long as there is something to receive; what it takes to begin it, it gets with its settings. */
  function begin(open: Journal, thread: ThreadSettings): Front {
    return startFront({
      script: deps.thread,
      data: { folder, first: open.next, before: open.bytes(), settings: thread },
      onWrote: open.wrote,
      onSealed: open.sealed,
      onLost(reason) {
        front = undefined;
        url = undefined;
        log.error('the receiver of webhooks ended and is begun anew', { reason });
        void open.abandoned().then(followSoon);
      },
      log,
    });
  }

  async function end(): Promise<void> {
    const ending = front;
    front = undefined;
    url = undefined;
    if (!ending) return;
    await ending.ask('stop', null).catch(() => undefined);
    await ending.end();
  }

  async function follow(): Promise<void> {
    if (!journal || stopping) return;
    const types = await hooks.read();
    const { place, trustedProxies, journalBytes } = settings();
    if (Object.keys(types).length === 0) return await end();
    const thread: ThreadSettings = { types, place, trustedProxies, journalBytes };
    front ??= begin(journal, thread);
    const { url: at, problem: why } = await front.ask('settings', thread);
    url = at;
    if (why) throw new StewardError(why.code, why.message, { hint: why.hint });
  }

  /** One after the other; a port that is taken is tried again, and keeps nothing else of Steward from running. */
  function followSoon(): Promise<unknown> {
    following = following.then(follow).then(
      () => (problem = undefined),
      (thrown: unknown) => {
        const { code, message, hint } = StewardError.from(thrown);
        if (message !== problem)
          log.error('webhooks are not received as configured', { code, reason: message, ...(hint && { hint }) });
        problem = message;
      },
    );
    return following;
  }

  return {
    name: 'webhooks',
    receiver: createAlias({ front: () => front, trustedProxies: () => settings().trustedProxies, log }),
    queue: createWaiting({
      db,
      oldest: () => mover?.oldest(),
      nudge() {
        mover?.nudge();
        release.nudge();
      },
      now,
    }),
    operations: [
      queueOperation({ bringAll, typeOf }),
      sendOperation({ db, types: () => hooks.read(), url: () => url, now }),
      ...webhookOperations({
        store,
        db,
        node: node.id,
        onHeld: release.nudge,
        configured: () => Object.keys(settings().types),
        now,
        state: async () => ({
          address: url,
          types: Object.keys(settings().types),
          unreadable: [...hooks.unreadable],
          waitingBytes: journal?.bytes() ?? 0,
          behindMs: mover?.behindMs() ?? 0,
          ...((await front?.ask('counts', null).catch(() => undefined)) ?? { accepted: 0, refused: {} }),
        }),
      }),
    ],
    jobs: webhookJobs({ db, keepMs: deps.keepMs, outcomes: () => outcomes }),

    async start() {
      stopping = false;
      journal = await openJournal({
        folder,
        onRead: (segment) => front?.tell({ is: 'read', segment }),
        onFreed: (bytes) => front?.tell({ is: 'freed', bytes }),
        log,
      });
      const mostBytes = (): number => settings().journalBytes;
      mover = createMover({
        journal,
        bringAll,
        mostBytes,
        isBusy: () => front?.isBusy() ?? false,
        now,
        log,
      });
      mover.start();
      outcomes = followOutcomes({
        events: store.events,
        db,
        workflows: deps.workflows,
        retryOf: (name) => typeOf(name)?.retry ?? ONCE,
        onNews: release.nudge,
        now,
      });
      release.start();
      await followSoon();
      unsubscribe = deps.onSettings(() => void followSoon());
      timer = setInterval(() => void followSoon(), REFRESH_MS);
      timer.unref();
    },

    async stop() {
      clearInterval(timer);
      unsubscribe?.();
      stopping = true;
      await following;
      await end();
      await mover?.stop();
      await outcomes?.stop();
      await release.stop();
    },
  };
}
