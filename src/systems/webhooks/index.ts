import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { HookReceiver } from '../../core/hook-receiver.ts';
import type { Log } from '../../core/log.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { System } from '../../core/system.ts';
import type { Store } from '../../store/store.ts';
import type { Place } from '../listener.ts';
import { type Journal, openJournal } from './journal.ts';
import { createHookListener } from './listener.ts';
import { createMover, type Mover } from './mover.ts';
import { webhookOperations } from './operations.ts';
import { createReceiver } from './receiver.ts';
import { webhookRetention } from './retention.ts';
import type { WebhookTables } from './tables.ts';
import { type ConfiguredType, createHookTypes } from './types.ts';

export { webhookMigrations } from './tables.ts';

export interface WebhookSettings {
  readonly place: Place;
  readonly types: Readonly<Record<string, ConfiguredType>>;
  readonly journalBytes: number;
  readonly trustedProxies: readonly string[];
}

export interface WebhookDeps {
  readonly store: Store;
  readonly home: string;
  readonly settings: () => WebhookSettings;
  /** Called when there are other settings, until the returned function is called. */
  readonly onSettings: (listener: () => void) => () => void;
  readonly secrets: SecretResolver;
  readonly keepMs: () => number;
  readonly node: { readonly id: string };
  readonly now: () => Date;
  readonly log: Log;
}

export interface Webhooks extends System {
  readonly receiver: HookReceiver<IncomingMessage, ServerResponse>;
}

const REFRESH_MS = 10_000;

/** What others send: taken with 202 when it is on disk, brought to the store, told as an event. */
export function createWebhooks(deps: WebhookDeps): Webhooks {
  const { store, settings, secrets, log, now, node } = deps;
  const db = store.db.withTables<WebhookTables>();
  const types = createHookTypes({ configured: () => settings().types, secrets, log });
  let journal: Journal | undefined;
  let mover: Mover | undefined;
  const receiver = createReceiver({
    journal: () => journal,
    types: (name) => types.find(name),
    trustedProxies: () => settings().trustedProxies,
    now,
    log,
  });
  const listener = createHookListener(receiver);
  let timer: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;
  let problem: string | undefined;
  let following: Promise<unknown> = Promise.resolve();

  async function follow(): Promise<void> {
    await types.refresh();
    const { types: configured, place } = settings();
    await listener.moveTo(Object.keys(configured).length > 0 ? place : undefined);
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
    receiver,
    operations: webhookOperations({
      store,
      db,
      node: node.id,
      state: () => ({
        address: listener.url(),
        types: Object.keys(settings().types),
        unreadable: [...types.unreadable],
        waitingBytes: journal?.bytes() ?? 0,
        accepted: receiver.counts.accepted,
        refused: receiver.counts.refused,
      }),
    }),
    jobs: [webhookRetention({ db, keepMs: deps.keepMs })],

    async start() {
      journal = await openJournal({
        folder: join(deps.home, 'webhooks'),
        mostBytes: () => settings().journalBytes,
        log,
      });
      mover = createMover({ journal, store, node: node.id, log });
      mover.start();
      await followSoon();
      unsubscribe = deps.onSettings(() => void followSoon());
      timer = setInterval(() => void followSoon(), REFRESH_MS);
      timer.unref();
    },

    async stop() {
      clearInterval(timer);
      unsubscribe?.();
      await following;
      await listener.moveTo(undefined);
      const open = journal;
      journal = undefined;
      await mover?.stop();
      await open?.close();
    },
  };
}
