import type { Incidents } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { System } from '../../core/system.ts';
import type { Vault } from '../../core/vault.ts';
import type { WebhookSender } from '../../core/webhook-sender.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import { type Rounds, startRounds } from '../../store/rounds.ts';
import type { Store } from '../../store/store.ts';
import { type ConfiguredEndpoint, createAccess } from './access.ts';
import { createBook } from './book.ts';
import { createFollowConfiguration, type KnownNode } from './configured.ts';
import { createCourier } from './courier.ts';
import { deliveryOperations } from './delivery-operations.ts';
import { createIntake } from './intake.ts';
import { endpointOperations } from './operations.ts';
import { createQueue, DELIVERIES_CHANNEL, ENDPOINTS_CHANNEL } from './queue.ts';
import { createTrouble } from './trouble.ts';
import { endpointJobs } from './upkeep.ts';

export { endpointMigrations } from './tables.ts';

export interface EndpointSettings {
  readonly endpoints: readonly ConfiguredEndpoint[];
  /** Hosts, with a port or without, that an endpoint may have although they are private. */
  readonly allowPrivate: readonly string[];
  readonly disableAfterMs: number;
  readonly backlog: number;
}

export interface EndpointDeps {
  readonly store: Store;
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve' | 'unresolved'>;
  readonly inventory: Pick<Inventory, 'get'>;
  readonly sender: WebhookSender;
  readonly vault: Pick<Vault, 'seal' | 'open' | 'keyId'>;
  readonly secrets: SecretResolver;
  readonly settings: () => EndpointSettings;
  /** Called when there are other settings, until the returned function is called. */
  readonly onSettings: (listener: () => void) => () => void;
  readonly keepMs: () => number;
  readonly node: { readonly id: string };
  readonly nodes: () => Promise<readonly KnownNode[]>;
  readonly now: () => Date;
  readonly log: Log;
  readonly random?: () => number;
  /** Looks for events without having been woken. */
  readonly pollMs?: number;
}

/** What happens here, told to endpoints of others: on record first, then sent until it is taken, at least once. */
export function createEndpoints(deps: EndpointDeps): System {
  const { store, settings, now, log, vault, sender } = deps;
  const node = deps.node.id;
  const configured = () => settings().endpoints;
  const queue = createQueue({ store, now, backlog: () => settings().backlog });
  const book = createBook({ store, queue, node, now });
  const trouble = createTrouble(deps.incidents);
  const access = createAccess({
    vault,
    secrets: deps.secrets,
    configured,
    allowed: () => settings().allowPrivate,
    now,
  });
  const intake = createIntake({ book, queue, trouble, inventory: deps.inventory, now });
  const followConfiguration = createFollowConfiguration({ book, configured, nodes: deps.nodes, node, log });
  const courier = createCourier({
    queue,
    book,
    access,
    sender,
    trouble,
    disableAfterMs: () => settings().disableAfterMs,
    random: deps.random ?? Math.random,
    now,
    log,
    node,
  });
  /** Names in steward.yaml. */
  let inForce: ReadonlySet<string> = new Set();
  let rounds: Rounds | undefined;
  let consumer: EventConsumer | undefined;
  let ends: (() => void)[] = [];
  /** Sets idle lines going; nothing before the first round and after the last. */
  let deliver: () => void = () => undefined;

  /** Those that this node can send to. */
  function served(): string[] {
    return intake
      .known()
      .filter(({ origin, name, state }) => state === 'enabled' && (origin === 'made' || inForce.has(name)))
      .map(({ id }) => id);
  }

  /** What this node had in hand when it ended is given back by the first. */
  function beginRounds(): Rounds {
    let recovered = false;
    return startRounds({
      name: 'endpoints',
      async round(signal) {
        inForce = await followConfiguration();
        await intake.refresh();
        if (!recovered) await queue.unclaim(node);
        recovered = true;
        deliver = () => {
          if (!signal.aborted) courier.deliver(served(), signal);
        };
        deliver();
        return await queue.nextDue(served());
      },
      now,
      log,
    });
  }

  async function changed(): Promise<void> {
    await intake.refresh();
    rounds?.wake();
  }

  return {
    name: 'endpoints',
    operations: [
      ...endpointOperations({ book, queue, access, sender, trouble, vault, nodes: deps.nodes, changed }),
      ...deliveryOperations({ book, queue }),
    ],
    jobs: endpointJobs({ queue, incidents: deps.incidents, trouble, keepMs: deps.keepMs }),

    async start() {
      inForce = await followConfiguration();
      await intake.refresh();
      ends = [
        store.listen(ENDPOINTS_CHANNEL, () => rounds?.wake()),
        store.listen(DELIVERIES_CHANNEL, () => deliver()),
        deps.onSettings(() => rounds?.wake()),
      ];
      consumer = store.events.consume({
        consumer: 'endpoints',
        types: intake.wanted,
        // What is older than an endpoint is not for it; from now on would be from a moment after the first endpoint may be there.
        from: 'beginning',
        handle: intake.handle,
        pollMs: deps.pollMs,
      });
      rounds = beginRounds();
    },

    async stop() {
      for (const end of ends) end();
      await Promise.all([consumer?.stop(), rounds?.stop()]);
      await courier.idle();
    },
  };
}
