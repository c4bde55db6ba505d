import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Check } from '../../core/check.ts';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { PLACE_KINDS } from '../../core/places.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { PlaceCheck, PlaceConfig, PlaceTarget, SignedConfig } from '../../../edge/handlers/probe/messages.ts';
import type { ProbesSettings } from './deps.ts';
import type { Signer } from './signing.ts';
import type { PlaceRow, PlaceTables } from './tables.ts';

interface TellingDeps {
  readonly db: Kysely<PlaceTables>;
  readonly signing: () => Promise<Signer>;
  readonly secrets: SecretResolver;
  readonly sharedChecks: () => Promise<readonly Check[]>;
  readonly settings: () => ProbesSettings;
  readonly log: Log;
}

export interface Telling {
  /** Undefined where the place has the latest. */
  configFor(place: PlaceRow, have: number): Promise<SignedConfig | undefined>;
  /** Why no place is told of this check now, where a secret that it needs cannot be read. */
  unreadable(checkId: string): string | undefined;
  /** Checks that this place may see. */
  checksOf(place: Pick<PlaceRow, 'name' | 'kinds'>): Promise<readonly Check[]>;
}

/** What each place is told: the checks that are meant for it, and of those what it needs to ask them. */
export function createTelling({ db, signing, secrets, sharedChecks, settings, log }: TellingDeps): Telling {
  const unreadable = new Map<string, string>();

  async function checksOf(place: Pick<PlaceRow, 'name' | 'kinds'>): Promise<readonly Check[]> {
    return (await sharedChecks()).filter((check) => isTold(place, check));
  }

  /** Nothing where a secret cannot be read: that of one check must not keep the others from a place. */
  async function told({ id, target, every, timeout, slow }: Check): Promise<PlaceCheck[]> {
    try {
      const check = {
        id,
        target: await revealed(target),
        everyMs: ms(every),
        timeoutMs: ms(timeout),
        slowMs: ms(slow),
      };
      unreadable.delete(id);
      return [check];
    } catch (thrown) {
      const { code, message } = StewardError.from(thrown);
      if (unreadable.get(id) !== message)
        log.warn('places are not told of a check: a secret that it needs cannot be read', {
          check: id,
          code,
          reason: message,
        });
      unreadable.set(id, message);
      return [];
    }
  }

  /** Only of checks that say that their secrets may go; the others that have any are not told. */
  async function revealed(target: Check['target']): Promise<PlaceTarget> {
    if (target.kind !== 'http') return target;
    const headers: Record<string, string> = {};
    for (const [header, value] of Object.entries(target.headers))
      headers[header] = typeof value === 'string' ? value : (await secrets(value)).trim();
    return { ...target, headers };
  }

  return {
    checksOf,
    unreadable: (checkId) => unreadable.get(checkId),
    async configFor(place, have) {
      const { userAgent, reportMs, references } = settings();
      const content: Omit<PlaceConfig, 'version'> = {
        place: place.id,
        userAgent,
        reportEveryMs: reportMs,
        ...(references.length > 0 && { references }),
        checks: (await Promise.all((await checksOf(place)).map(told))).flat(),
      };
      const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex');
      // A store that was restored from a copy may know of fewer versions than the place has seen.
      const { config_version: version } = await db
        .updateTable('places')
        .set({
          config_hash: hash,
          config_version: sql<number>`case when config_hash = ${hash} and config_version >= ${have} then config_version
            else greatest(config_version, ${have}) + 1 end`,
        })
        .where('id', '=', place.id)
        .returning('config_version')
        .executeTakeFirstOrThrow();
      if (version === have) return undefined;
      return (await signing()).sign(JSON.stringify({ ...content, version } satisfies PlaceConfig));
    },
  };
}

/** Whether a place is told of the check once it has joined. */
export function isTold({ name, kinds }: Pick<PlaceRow, 'name' | 'kinds'>, check: Check): boolean {
  return isFor(check, name) && isAble(kinds, check) && !keepsSecret(check);
}

/** Whether the place is one of those that look at it. */
export function isFor({ places, target }: Check, name: string): boolean {
  return places !== undefined && isAskedAnywhere(target) && (places.from?.includes(name) ?? true);
}

/** Whether a place that can do so much can do it. */
function isAble(kinds: readonly string[], { target }: Check): boolean {
  if (!kinds.includes(target.kind)) return false;
  if (target.kind !== 'http') return true;
  return (!target.expectJson || kinds.includes('http.json')) && (!target.insecure || kinds.includes('http.insecure'));
}

/** What names a file is about the machine that has it. */
function isAskedAnywhere(target: Check['target']): boolean {
  if (target.kind === 'tls') return target.file === undefined && target.ca === undefined;
  return PLACE_KINDS.has(target.kind);
}

/** Its answer depends on a secret that may not leave this machine; asked without it, it would only seem to be down. */
function keepsSecret({ places, target }: Check): boolean {
  return (
    target.kind === 'http' &&
    places?.secrets !== true &&
    Object.values(target.headers).some((value) => typeof value !== 'string')
  );
}

/** Why a place that is to look at the check has said nothing of it. */
export function whyNothing({ kinds }: Pick<PlaceRow, 'kinds'>, check: Check, unreadable: string | undefined): string {
  if (keepsSecret(check)) return 'its headers need a secret, which places are not sent (places.secrets)';
  if (!isAble(kinds, check)) return `this place cannot do ${check.target.kind} checks of this kind`;
  if (unreadable !== undefined) return `it is not told of it, because a secret cannot be read: ${unreadable}`;
  return 'it has not said anything of it yet';
}
