import { parseCredential, type PlaceCredential } from '../../handlers/probe/credential.ts';
import type {
  PlaceConfig,
  PlaceReport,
  PlaceResult,
  ReportAnswer,
  SignedConfig,
} from '../../handlers/probe/messages.ts';
import { openConfig } from '../../handlers/probe/signed-config.ts';
import type { Env } from './env.ts';
import { KINDS, lookAt } from './looks.ts';
import { createWaiting } from './waiting.ts';

const EVERY_MS = 5 * 60_000;
const ANSWER_WITHIN_MS = 15_000;
const CONFIG = 'config';
/** Results in one report: Steward takes a thousand. */
const MOST_TOLD = 500;
/** What Steward says of what it will never take. */
const NEVER: ReadonlySet<number> = new Set([400, 413]);
/** What Cloudflare's Free plan allows. */
const SUBREQUESTS = 50;
/** Of these so many are for telling: who asks and cannot tell might as well not ask. */
const TELLING = 1 / 5;

/** Looks at everything once, tells Steward, and keeps what it cannot tell for the next round. */
export async function round(env: Env): Promise<void> {
  const credential = parseCredential(env.PLACE_TOKEN);
  if (credential?.kind !== 'token')
    throw new Error('PLACE_TOKEN is no token of a place: steward probe invite NAME --direct makes one.');
  const requests = env.SUBREQUESTS ?? SUBREQUESTS;
  let tells = Math.max(2, Math.floor(requests * TELLING));
  const looks = requests - tells;
  const waiting = createWaiting(env.STORE);
  let dropped = await waiting.dropped();
  let config = await keptConfig(env, credential);
  config ??= await tell([]);
  const results = config ? await lookAt(config.checks, { userAgent: config.userAgent, requests: looks }) : [];
  try {
    await tellAll(results);
    for (const batch of await waiting.oldest(tells)) {
      await tellAll(batch.results);
      await waiting.remove(batch.key);
    }
  } catch (thrown) {
    console.error(`Steward was not told, and will be with the next round: ${String(thrown)}`);
    await waiting.keep(results, new Date());
  }

  async function tellAll(all: readonly PlaceResult[]): Promise<void> {
    // With nothing to tell, that it is there.
    for (let at = 0; at === 0 || at < all.length; at += MOST_TOLD)
      config = (await tell(all.slice(at, at + MOST_TOLD))) ?? config;
  }

  /** The configuration that comes with the answer, where there is another. */
  async function tell(said: readonly PlaceResult[]): Promise<PlaceConfig | undefined> {
    tells -= 1;
    const report: PlaceReport = {
      have: config?.version ?? 0,
      sentAt: new Date().toISOString(),
      everyMs: EVERY_MS,
      software: 'steward-probe-worker',
      kinds: KINDS,
      backlog: 0,
      dropped,
      results: said,
    };
    const response = await fetch(new URL('/api/v1/places/report', env.STEWARD_URL), {
      method: 'POST',
      headers: { authorization: `Bearer ${env.PLACE_TOKEN.trim()}`, 'content-type': 'application/json' },
      body: JSON.stringify(report),
      // Nobody else is to see the token.
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    if (!response.ok) {
      await response.body?.cancel();
      // The others must not wait for them.
      if (NEVER.has(response.status) && said.length > 0) {
        console.error(`Steward does not take ${said.length} results, which are given up: ${response.status}`);
        dropped = await waiting.giveUp(said.length);
        return undefined;
      }
      throw new Error(`it answered ${response.status}`);
    }
    const { config: told } = (await response.json()) as ReportAnswer;
    return told && (await follow(told));
  }

  async function follow(signed: SignedConfig): Promise<PlaceConfig | undefined> {
    const opened = await open(signed, credential as PlaceCredential, config?.version ?? 0);
    if (opened) await env.STORE.put(CONFIG, JSON.stringify(signed));
    return opened;
  }
}

async function keptConfig({ STORE }: Env, credential: PlaceCredential): Promise<PlaceConfig | undefined> {
  const kept = await STORE.get(CONFIG);
  return kept === null ? undefined : await open(JSON.parse(kept) as SignedConfig, credential, 0);
}

async function open(
  signed: SignedConfig,
  { id, key }: PlaceCredential,
  have: number,
): Promise<PlaceConfig | undefined> {
  const opened = await openConfig(signed, { place: id, key, have });
  if ('config' in opened) return opened.config;
  console.error(`a configuration was refused: ${opened.refused}`);
  return undefined;
}
