import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { WholeEvent } from '../../core/event.ts';
import type { HookReceiver } from '../../core/hook-receiver.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Log } from '../../core/log.ts';
import type { QueuePort } from '../../core/ports/queue.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { System } from '../../core/system.ts';
import type { WorkflowService } from '../../core/run-service.ts';
import type { Store } from '../../store/store.ts';
import { createAlias } from './alias.ts';
import { createBringAll } from './bring.ts';
import { queueOperation } from './queue-operation.ts';
import { type Journal, openJournal } from './journal.ts';
import { createKeeper, type Keeper } from './keeper.ts';
import type { Place } from '../listener.ts';
import type { ThreadSettings } from './messages.ts';
import { followOutcomes, type Outcomes } from './outcomes.ts';
import { createRelease } from './release.ts';
import { createMover, type Mover } from './mover.ts';
import { webhookOperations } from './operations.ts';
import { sendOperation } from './operations-send.ts';
import { startWatch } from './watch.ts';
import { createWaiting } from './waiting.ts';
import type { WebhookTables } from './tables.ts';
import { webhookTrouble } from './trouble.ts';
import { wholeFrom } from './whole.ts';
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
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve'>;
  readonly workflows: Pick<WorkflowService, 'startedBy' | 'retry' | 'execution'>;
  readonly keepMs: () => number;
  readonly node: { readonly id: string };
  readonly now: () => Date;
  readonly log: Log;
}

export interface Webhooks extends System {
  readonly receiver: HookReceiver<IncomingMessage, ServerResponse>;
  readonly queue: Pick<QueuePort, 'waiting' | 'begin'>;
  readonly whole: WholeEvent;
}

/** Of a type that is not configured any more. */
const ONCE = { attempts: 1, backoffMs: 0 };

/** What others send: taken with 202 when it is on disk, brought to the store, told as an event. */
export function createWebhooks(deps: WebhookDeps): Webhooks {
  const { store, settings, secrets, log, now, node } = deps;
  const db = store.db.withTables<WebhookTables>();
  const hooks = createHookTypes({ configured: () => settings().types, secrets, clock: () => performance.now(), log });
  const unreadable = webhookTrouble('webhooks.unreadable', deps);
  const folder = join(deps.home, 'webhooks');
  let journal: Journal | undefined;
  let keeper: Keeper | undefined;
  let mover: Mover | undefined;
  let endWatch: (() => void) | undefined;
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

  /** What it takes to begin the thread, it gets with its settings. */
  async function threadSettings(): Promise<ThreadSettings | undefined> {
    const types = await hooks.read();
    void unreadable.tell(hooks.problem());
    const { place, trustedProxies, journalBytes } = settings();
    return Object.keys(types).length === 0 ? undefined : { types, place, trustedProxies, journalBytes };
  }

  return {
    name: 'webhooks',
    receiver: createAlias({ front: () => keeper?.thread(), trustedProxies: () => settings().trustedProxies, log }),
    queue: createWaiting({
      db,
      oldest: () => mover?.oldest(),
      stall: () => mover?.stall(),
      nudge() {
        mover?.nudge();
        release.nudge();
      },
      now,
    }),
    whole: wholeFrom(db),
    operations: [
      queueOperation({ db, bringAll, typeOf, front: () => keeper?.thread(), log }),
      sendOperation({ db, types: () => hooks.read(), url: () => keeper?.url(), now }),
      ...webhookOperations({
        store,
        db,
        node: node.id,
        onHeld: release.nudge,
        configured: () => Object.keys(settings().types),
        now,
        state: async () => ({
          address: keeper?.url(),
          problem: keeper?.problem(),
          types: Object.keys(settings().types),
          unreadable: [...hooks.unreadable],
          waitingBytes: journal?.bytes() ?? 0,
          behindMs: mover?.behindMs() ?? 0,
          ...((await keeper
            ?.thread()
            ?.ask('counts', null)
            .catch(() => undefined)) ?? { accepted: 0, refused: {}, lately: [] }),
        }),
      }),
    ],
    jobs: webhookJobs({ db, folder, keepMs: deps.keepMs, outcomes: () => outcomes, log }),

    async start() {
      journal = await openJournal({
        folder,
        onRead: (segment) => keeper?.thread()?.tell({ is: 'read', segment }),
        onFreed: (bytes) => keeper?.thread()?.tell({ is: 'freed', bytes }),
        log,
      });
      const mostBytes = (): number => settings().journalBytes;
      mover = createMover({
        journal,
        bringAll,
        mostBytes,
        load: () => keeper?.thread()?.load() ?? 0,
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
      keeper = createKeeper({
        script: deps.thread,
        folder,
        journal,
        settings: threadSettings,
        onSettings: deps.onSettings,
        trouble: webhookTrouble('webhooks.not-received', deps),
        log,
      });
      await keeper.start();
      endWatch = startWatch({
        folder,
        counts: async () => await keeper?.thread()?.ask('counts', null),
        stall: () => mover?.stall(),
        notKept: webhookTrouble('webhooks.not-kept', deps),
        stuck: webhookTrouble('webhooks.stuck', deps),
        damaged: webhookTrouble('webhooks.damaged', deps),
        mayHaveLost: () => journal?.mayHaveLost() ?? false,
        keepMs: deps.keepMs,
        log,
      });
    },

    async stop() {
      endWatch?.();
      await keeper?.stop();
      await mover?.stop();
      await outcomes?.stop();
      await release.stop();
    },
  };
}
