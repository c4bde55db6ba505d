import { StewardError } from './core/errors.ts';
import type { Finding } from './doctor-finding.ts';
import { findServer, request } from './surfaces/cli/client.ts';

type Ask = <T>(path: string) => Promise<T>;

const DAY_MS = 86_400_000;
/** Long enough before its end that somebody can replace it in working hours. */
const TOKEN_ENDS_WITHIN_MS = 14 * DAY_MS;
/** Each is tried weekly. */
const PROVEN_WITHIN_MS = 8 * DAY_MS;
const MOST = 5;

/** What only a Steward that runs can tell. Nothing where none does, which is a finding of its own. */
export async function examineRunning(home: string, now: Date): Promise<Finding[]> {
  let server: Awaited<ReturnType<typeof findServer>>;
  try {
    server = await findServer(home, { url: undefined, token: undefined });
  } catch (thrown) {
    const { message, hint } = StewardError.from(thrown);
    return [{ what: 'access', state: 'problem', detail: message, mend: hint }];
  }
  if (!server) return [];
  const reached = server;
  const ask: Ask = async <T>(path: string) => (await request(reached, 'GET', `/api/v1/${path}`)).body as T;
  const looks: readonly [what: string, look: (ask: Ask, now: Date) => Promise<Finding | undefined>][] = [
    ['delivery of alerts', delivery],
    ['proof of backups', proof],
    ['object lock', objectLock],
    ['what nobody copies', uncovered],
    ['what runs by the clock', schedules],
    ['tokens', tokens],
    ['stopped', standstill],
  ];
  const found = await Promise.all(
    looks.map(async ([what, look]) => {
      try {
        return await look(ask, now);
      } catch (thrown) {
        const { message, hint } = StewardError.from(thrown);
        return { what, state: 'note' as const, detail: `could not be looked at: ${message}`, mend: hint };
      }
    }),
  );
  return found.filter((finding) => finding !== undefined);
}

async function delivery(ask: Ask, now: Date): Promise<Finding> {
  const what = 'delivery of alerts';
  const { items } = await ask<{ items: Channel[] }>('channels');
  const failing = items.filter(({ state }) => state === 'failing');
  const [first] = failing;
  if (first)
    return {
      what,
      state: 'problem',
      detail: listed(
        failing.map(
          ({ name, lastError, pending }) =>
            `${name}: ${lastError ?? 'fails'}${pending > 0 ? ` (${pending} waiting)` : ''}`,
        ),
      ),
      mend: `steward test-channel ${first.name}`,
    };
  const unused = items.filter(({ state }) => state === 'unused');
  if (items.length === 0) return { what, state: 'note', detail: 'no channel, so nothing is delivered' };
  if (unused[0])
    return {
      what,
      state: 'note',
      detail: `never tried: ${listed(unused.map(({ name }) => name))}`,
      mend: `steward test-channel ${unused[0].name}`,
    };
  const proven = listed(items.map(({ name, lastDelivery = '' }) => `${name} took one on ${lastDelivery.slice(0, 16)}`));
  const old = items.find(({ lastDelivery }) => now.getTime() - Date.parse(lastDelivery ?? '') > PROVEN_WITHIN_MS);
  return old
    ? {
        what,
        state: 'note',
        detail: `not proven for more than a week: ${proven}`,
        mend: `steward test-channel ${old.name}`,
      }
    : { what, state: 'ok', detail: proven };
}

interface Channel {
  readonly name: string;
  readonly state: string;
  readonly pending: number;
  readonly lastError?: string;
  readonly lastDelivery?: string;
}

async function proof(ask: Ask): Promise<Finding> {
  const what = 'proof of backups';
  const { items } = await ask<{ items: { source: string; repository: string; state: string; message: string }[] }>(
    'backups',
  );
  if (items.length === 0) return { what, state: 'note', detail: 'nothing is copied', mend: 'steward backup proposals' };
  const wrong = items.filter(({ state }) => state !== 'proven');
  const [first] = wrong;
  if (!first) return { what, state: 'ok', detail: `the newest copy of each of ${items.length} was restored` };
  const uncopied = first.state === 'none' || first.state === 'late' || first.state === 'failing';
  return {
    what,
    // A new source is copied within hours, and has its proof the next morning.
    state: wrong.every(({ state }) => state === 'unproven' || state === 'none' || state === 'partly')
      ? 'note'
      : 'problem',
    detail: listed(wrong.map(({ source, repository, message }) => `${source} in ${repository}: ${message}`)),
    mend: uncopied ? `steward backup run ${first.source}` : `steward backup verify ${first.source}`,
  };
}

interface Held {
  readonly repository: string;
  readonly objectLock?: { readonly state: string; readonly message: string; readonly hint?: string };
}

/** Nothing where no bucket is to be locked. */
async function objectLock(ask: Ask): Promise<Finding | undefined> {
  const what = 'object lock';
  const { items } = await ask<{ items: Held[] }>('backups');
  const locks = [...new Map(items.map(({ repository, objectLock: lock }) => [repository, lock]))].flatMap(
    ([name, lock]) => (lock ? [{ ...lock, detail: `${name}: ${lock.message}` }] : []),
  );
  if (locks.length === 0) return undefined;
  const wrong = locks.filter(({ state }) => state !== 'locked');
  return wrong.length === 0
    ? { what, state: 'ok', detail: listed(locks.map(({ detail }) => detail)) }
    : { what, state: 'problem', detail: listed(wrong.map(({ detail }) => detail)), mend: wrong[0]?.hint };
}

async function uncovered(ask: Ask): Promise<Finding> {
  const what = 'what nobody copies';
  const { items } = await ask<{ items: { name: string; kind: string; coveredBy?: string }[] }>('backup-proposals');
  const bare = items.filter(({ coveredBy }) => coveredBy === undefined);
  return bare.length === 0
    ? { what, state: 'ok', detail: 'every database and volume that was found has a source' }
    : {
        what,
        state: 'note',
        detail: listed(bare.map(({ name, kind }) => `${name} (${kind})`)),
        mend: 'steward backup proposals',
      };
}

async function schedules(ask: Ask): Promise<Finding> {
  const what = 'what runs by the clock';
  const { items } = await ask<{
    items: { until: string; due: number; ran: number; differences: { message: string }[] }[];
  }>('schedule-reconciliations?limit=1');
  const [last] = items;
  if (!last) return { what, state: 'note', detail: 'no night has been compared yet' };
  return last.differences.length === 0
    ? { what, state: 'ok', detail: `${last.ran} of ${last.due} ran, up to ${last.until}` }
    : {
        what,
        state: 'problem',
        detail: listed(last.differences.map(({ message }) => message)),
        mend: 'steward schedule reconciliations',
      };
}

async function tokens(ask: Ask, now: Date): Promise<Finding> {
  const what = 'tokens';
  const answer = await ask<Token[] | { items: Token[] }>('tokens');
  const all = (Array.isArray(answer) ? answer : answer.items).filter(({ revokedAt }) => revokedAt === undefined);
  const ending = all
    .filter(({ expiresAt }) => expiresAt !== undefined && Date.parse(expiresAt) - now.getTime() < TOKEN_ENDS_WITHIN_MS)
    .toSorted((a, b) => ((a.expiresAt ?? '') < (b.expiresAt ?? '') ? -1 : 1));
  const [first] = ending;
  if (!first) return { what, state: 'ok', detail: `${all.length}, none ends within 14 days` };
  const over = ending.some(({ expiresAt = '' }) => Date.parse(expiresAt) <= now.getTime());
  return {
    what,
    state: over ? 'problem' : 'note',
    detail: listed(
      ending.map(
        ({ name, expiresAt }) =>
          `${name} ${Date.parse(expiresAt ?? '') <= now.getTime() ? 'ended' : 'ends'} ${expiresAt}`,
      ),
    ),
    mend: over ? `steward token revoke ${first.id}` : `steward token rotate ${first.id}`,
  };
}

interface Token {
  readonly id: string;
  readonly name: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

async function standstill(ask: Ask): Promise<Finding> {
  const { mode, reason } = await ask<{ mode: string; reason?: string }>('mode');
  return mode === 'normal'
    ? { what: 'mode', state: 'ok', detail: 'normal: it acts as the policy says' }
    : {
        what: 'mode',
        state: 'problem',
        detail: `${mode}${reason === undefined ? '' : `: ${reason}`}`,
        mend: 'steward mode normal',
      };
}

function listed(texts: readonly string[]): string {
  return texts.length > MOST ? `${texts.slice(0, MOST).join('; ')}; and ${texts.length - MOST} more` : texts.join('; ');
}
