import type { AcknowledgeLinks } from '../../core/acknowledgement.ts';
import type { Alert, Attachment } from '../../core/alert.ts';
import type { Breakers } from '../../core/breaker.ts';
import type { Incidents, TimelineEntry } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { Maintenance } from '../../core/maintenance.ts';
import type { System } from '../../core/system.ts';
import type { Vault } from '../../core/vault.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import { type Rounds, startRounds } from '../../store/rounds.ts';
import type { Store } from '../../store/store.ts';
import { createAbout } from './about.ts';
import { createAcknowledgeLinks } from './acknowledge-links.ts';
import { budgetOperations } from './budget-operations.ts';
import { alertId } from './compose-alert.ts';
import { createCourier } from './courier.ts';
import type { DeadMan } from './dead-man.ts';
import { deliveryTests } from './delivery-tests.ts';
import { createEscalations } from './escalations.ts';
import { inputOperations } from './inputs.ts';
import { createIntake, HEARD } from './intake.ts';
import { alertingOperations } from './operations.ts';
import { ALERTS_CHANNEL, createOutbox } from './outbox.ts';
import { createOwnRules } from './own-rules.ts';
import { createProposals } from './proposals.ts';
import { createQuiet } from './quiet.ts';
import { createRecipients } from './recipients.ts';
import { createRouter } from './router.ts';
import type { AlertingSettings, Route } from './settings.ts';
import { silenceOperations } from './silence-operations.ts';
import { createSilencePreview } from './silence-preview.ts';
import { createSilences } from './silences.ts';
import { createSuccesses, SUCCESSES_HEARD } from './successes.ts';
import { type DeliveryStatus, deliveryStatus, NO_CHANNEL } from './status.ts';
import type { AlertTables } from './tables.ts';
import { alertingJobs } from './upkeep.ts';

export interface AlertingDeps {
  readonly store: Store;
  readonly breakers: Pick<Breakers, 'around'>;
  readonly incidents: Pick<
    Incidents,
    'open' | 'get' | 'byFingerprint' | 'resolve' | 'note' | 'unresolved' | 'timeline'
  >;
  readonly inventory: Pick<Inventory, 'get' | 'dependentsOf' | 'resolve'>;
  /** Nobody is told of what is being worked on; nothing ever is where this is left out. */
  readonly maintenance?: Pick<Maintenance, 'activeFor'> | undefined;
  /** What is told of an incident besides its title; nothing where it is left out. */
  readonly timeline?: (incidentId: string) => Promise<readonly TimelineEntry[]>;
  /** Read at each use, so that a new configuration is in force at once. */
  readonly channels: () => readonly Route[];
  readonly settings: () => AlertingSettings;
  readonly deadMan?: DeadMan | undefined;
  readonly now: () => Date;
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonicMs?: () => number;
  readonly log: Log;
  readonly node: string;
  readonly publicUrl: () => string | undefined;
  /** Signs the links by which people acknowledge; messages have none where it is left out. */
  readonly vault?: Pick<Vault, 'sign'> | undefined;
  /** What these links begin with: the address that people reach from elsewhere, or nothing. */
  readonly linkUrl?: () => string | undefined;
  readonly deadlineMs?: number;
  readonly backoffMs?: number;
  /** Looks for events without having been woken. */
  readonly pollMs?: number;
}

export interface MailMessage {
  readonly key: string;
  readonly at: Date;
  readonly title: string;
  readonly text: string;
  /** Below the address of Steward. */
  readonly path: string;
  readonly attachments: readonly Attachment[];
}

export interface Alerting extends System {
  deliveryStatus(): Promise<DeliveryStatus>;
  /** For the console at start; `undefined` where somebody is told. */
  notice(): string | undefined;
  /** Brings something to read, about no incident, to everybody who has e-mail; harmless twice for one key. */
  mail(message: MailMessage): Promise<void>;
  /** The links in messages, for the surface that they lead to. */
  readonly links: AcknowledgeLinks;
}

const DEADLINE_MS = 10_000;
const BACKOFF_MS = 1_000;

/** Tells people about incidents: on record first, then to every channel that takes them, at least once. */
export function createAlerting(deps: AlertingDeps): Alerting {
  const { store, incidents, inventory, channels: routes, settings, deadMan, now, log, node, publicUrl: baseUrl } = deps;
  const { timeline = async () => [], deadlineMs = DEADLINE_MS, backoffMs = BACKOFF_MS } = deps;
  const db = store.db.withTables<AlertTables>();
  const recipients = createRecipients({ db, routes, settings, node, now });
  const router = createRouter({ recipients, now });
  const outbox = createOutbox({ store, settings, now });
  const silences = createSilences({ outbox, now });
  const proposals = createProposals({ outbox, settings, now });
  const about = createAbout({ inventory, maintenance: deps.maintenance, router, silences, proposals, settings, now });
  const ownRules = createOwnRules({ incidents, now });
  const successes = createSuccesses({ outbox, recipients, inventory, node, baseUrl });
  const intake = createIntake({
    outbox,
    incidents,
    inventory,
    timeline,
    recipients,
    about,
    ownRules,
    successes,
    settings,
    now,
    node,
    baseUrl,
  });
  const escalations = createEscalations({
    outbox,
    incidents,
    recipients,
    router,
    about,
    storyAbout: intake.storyAbout,
    now,
    monotonicMs: deps.monotonicMs ?? (() => performance.now()),
  });
  const links =
    deps.vault && createAcknowledgeLinks({ vault: deps.vault, incidents, publicUrl: deps.linkUrl ?? baseUrl, now });
  const quiet = createQuiet({ outbox, recipients, incidents, about, now, node });
  const courier = createCourier({
    outbox,
    breakers: deps.breakers,
    incidents,
    routes,
    recipients,
    settings,
    message: (alert, channel) => links?.withLink(alert, channel) ?? alert,
    now,
    log,
    node,
    deadlineMs,
    backoffMs,
    onPostponed: () => rounds?.wake(),
  });
  /** Channels of other nodes. */
  let elsewhere = 0;
  let consumer: EventConsumer | undefined;
  let goodNews: EventConsumer | undefined;
  let unlisten: (() => void) | undefined;
  let rounds: Rounds | undefined;

  async function publish(): Promise<void> {
    await recipients.publish();
    elsewhere = (await recipients.all()).length - routes().length;
  }

  /** What this node had in hand when it ended is given back by the first. */
  function beginRounds(): Rounds {
    let recovered = false;
    return startRounds({
      name: 'alerting',
      async round(signal) {
        await publish();
        if (!recovered) await outbox.unclaim(node);
        recovered = true;
        await intake.settleHeld();
        await quiet.release();
        courier.deliver(signal);
        return await outbox.nextDue(routes().map(({ channel }) => channel.name));
      },
      now,
      log,
    });
  }

  return {
    name: 'alerting',
    operations: [
      ...alertingOperations({
        outbox,
        routes,
        recipients,
        router,
        successes,
        inventory,
        deadMan,
        deadlineMs,
        node,
        baseUrl,
      }),
      ...inputOperations({ incidents, inventory, ownRules, now }),
      ...silenceOperations({
        silences,
        incidents,
        about,
        preview: createSilencePreview({ outbox, incidents, about, now }),
      }),
      ...budgetOperations({ proposals, settings }),
    ],
    jobs: [
      ...deliveryTests({ outbox, recipients, incidents, settings, node }),
      ...alertingJobs({
        store,
        incidents,
        outbox,
        routes,
        recipients,
        router,
        settings,
        node,
        remind: () => intake.remind(),
        escalate: () => escalations.look(),
        proposals,
        forgetSilences: (before) => silences.forget(before),
      }),
    ],

    async start() {
      unlisten = store.listen(ALERTS_CHANNEL, () => rounds?.wake());
      consumer = store.events.consume({
        consumer: 'alerting',
        types: HEARD,
        from: 'beginning',
        handle: intake.handle,
        pollMs: deps.pollMs,
      });
      // In a line of its own: no problem waits behind what went well.
      goodNews = store.events.consume({
        consumer: 'alerting:successes',
        types: SUCCESSES_HEARD,
        from: 'now',
        handle: successes.handle,
        pollMs: deps.pollMs,
      });
      rounds = beginRounds();
      deadMan?.start();
      await publish().catch(() => undefined);
      if (routes().length + elsewhere === 0) log.warn('nobody is told of problems, no alert channel is configured');
    },

    async stop() {
      unlisten?.();
      await Promise.all([consumer?.stop(), goodNews?.stop(), rounds?.stop(), deadMan?.stop()]);
      await courier.idle();
    },

    async mail({ key, at, title, text, path, attachments }) {
      const to = (await recipients.all()).filter(({ kind }) => kind === 'email');
      const base = baseUrl();
      const alert: Alert = {
        id: alertId('mail', key),
        kind: 'digest',
        severity: 'info',
        title,
        text,
        node,
        at,
        ...(base !== undefined && { url: `${base.replace(/\/$/, '')}${path}` }),
      };
      await outbox.db.transaction().execute(async (trx) => await outbox.record(trx, alert, { to, attachments }));
    },
    links: links ?? { read: async () => undefined },
    deliveryStatus: async () => deliveryStatus(outbox, await recipients.all()),
    notice: () => (routes().length + elsewhere > 0 ? undefined : NO_CHANNEL),
  };
}
