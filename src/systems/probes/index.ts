import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { Meter } from '../../core/metric.ts';
import type { PlaceReceiver, PlaceVotes } from '../../core/places.ts';
import type { System } from '../../core/system.ts';
import type { ProbesDeps } from './deps.ts';
import { createIntake } from './intake.ts';
import { insidePlaces, lackingPlaces } from './lacking.ts';
import { createPlaceMeter } from './meter.ts';
import { placeOperations } from './operations.ts';
import { placeRetention } from './retention.ts';
import { createRoster } from './roster.ts';
import { lookForSilence } from './silence.ts';
import { createSigning } from './signing.ts';
import type { PlaceTables } from './tables.ts';
import { createTelling } from './telling.ts';
import { createUplink } from './uplink.ts';
import { verdictOperations } from './verdict-operations.ts';
import { createVotes } from './votes.ts';

export { placeMigrations } from './tables.ts';
export type { ProbesDeps, ProbesSettings } from './deps.ts';

export interface Probes extends System {
  readonly votes: PlaceVotes;
  readonly receiver: PlaceReceiver;
  readonly meter: Meter;
  /** What is wrong with how checks name places. */
  lacking(): Promise<readonly string[]>;
}

const LOOK_MS = 5_000;

/** Other places that look at services, too: who they are, what they are told, what they say, and who is silent. */
export function createProbes(deps: ProbesDeps): Probes {
  const { store, vault, now, log, keepMs, lookMs = LOOK_MS } = deps;
  const db = store.db.withTables<PlaceTables>();
  const signing = createSigning(db, vault);
  const roster = createRoster({ db, now });
  const uplink = createUplink(deps);
  const telling = createTelling({ ...deps, db, signing });
  const intake = createIntake({ ...deps, db, roster, telling });
  let since = now();
  let stopping = new AbortController();
  let loop: Promise<void> | undefined;

  async function lookAgainAndAgain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(lookMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await lookForSilence({ ...deps, roster, since });
        await uplink.settle();
      } catch (thrown) {
        const { code, message } = StewardError.from(thrown);
        // Nobody can report while the store is away.
        since = now();
        if (!signal.aborted) log.warn('places could not be looked after', { code, reason: message });
      }
    }
  }

  return {
    name: 'probes',
    operations: [
      ...placeOperations({ ...deps, db, roster, signing, since: () => since, unreadable: telling.unreadable }),
      ...verdictOperations({ ...deps, db, roster, unreadable: telling.unreadable }),
    ],
    jobs: [placeRetention({ db, keepMs })],
    votes: createVotes({ ...deps, db, here: deps.node.name, uplink, since: () => since }),
    meter: createPlaceMeter({ ...deps, db, node: deps.node.id }),
    async lacking() {
      const [checks, places] = await Promise.all([deps.sharedChecks(), roster.all()]);
      if (checks.length === 0) return [];
      const names = new Map((await deps.inventory.find()).map(({ id, name }) => [id, name]));
      return [
        ...lackingPlaces(checks, places, (id) => names.get(id) ?? id),
        ...(deps.settings().references.length === 0 ? insidePlaces(places, deps.whereIs) : []),
      ];
    },
    receiver: {
      async join({ invitation, tokenHash, from }) {
        const { name } = await roster.join(invitation, tokenHash);
        log.info('a place joined', { place: name, from });
        return { name };
      },
      report: intake.report,
      healthcheck: intake.healthcheck,
    },

    async start() {
      since = now();
      stopping = new AbortController();
      loop = lookAgainAndAgain(stopping.signal);
    },

    async stop() {
      stopping.abort();
      await loop;
    },
  };
}
