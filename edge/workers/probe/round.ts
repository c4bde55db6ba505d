import { parseCredential, type PlaceCredential } from '../../handlers/probe/credential.ts';
import { probeHttp, type ProbeTimes, type Seen } from '../../handlers/probe/http.ts';
import type { HttpTarget } from '../../handlers/probe/http-target.ts';
import type {
  PlaceCheck,
  PlaceConfig,
  PlaceReport,
  PlaceResult,
  PlaceTarget,
  ReportAnswer,
  SignedConfig,
} from '../../handlers/probe/messages.ts';
import { openConfig } from '../../handlers/probe/signed-config.ts';
import type { Env } from './env.ts';
import { probeTcp, type TcpTarget } from './tcp.ts';
import { createWaiting } from './waiting.ts';

const EVERY_MS = 5 * 60_000;
const ANSWER_WITHIN_MS = 15_000;
const CONFIG = 'config';
const KINDS = ['http', 'tcp'];

/** Looks at everything at once, tells Steward, and keeps what it cannot tell for the next round. */
export async function round(env: Env): Promise<void> {
  const credential = parseCredential(env.PLACE_TOKEN);
  if (credential?.kind !== 'token')
    throw new Error('PLACE_TOKEN is no token of a place: steward probe invite NAME --direct makes one.');
  const waiting = createWaiting(env.STORE);
  const dropped = await waiting.dropped();
  let config = await keptConfig(env, credential);
  config ??= await tell([]);
  const results = await Promise.all((config?.checks ?? []).map((check) => look(check, config?.userAgent ?? '')));
  try {
    config = (await tell(results)) ?? config;
    for (const batch of await waiting.oldest()) {
      await tell(batch.results);
      await waiting.remove(batch.key);
    }
  } catch (thrown) {
    console.error(`Steward was not told, and will be with the next round: ${String(thrown)}`);
    await waiting.keep(results, new Date());
  }

  /** The configuration that comes with the answer, where there is another. */
  async function tell(said: readonly PlaceResult[]): Promise<PlaceConfig | undefined> {
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
      // It will never take these, and the others must not wait for them.
      if (response.status === 400 && said.length > 0) {
        console.error(`Steward does not take ${said.length} results, which are given up`);
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

/** What no place of this kind can do is said to be that: it is no failure of who is looked at. */
async function look({ id, target, timeoutMs, slowMs }: PlaceCheck, userAgent: string): Promise<PlaceResult> {
  const at = new Date().toISOString();
  const { state, latencyMs, message, detail } = await ask(target, { timeoutMs, slowMs }, userAgent);
  const { code } = detail;
  return {
    id: crypto.randomUUID(),
    check: id,
    at,
    state,
    latencyMs,
    message,
    ...(typeof code === 'string' && { code }),
  };
}

async function ask(target: PlaceTarget, times: ProbeTimes, userAgent: string): Promise<Seen> {
  if (target.kind === 'tcp') return await probeTcp(target as unknown as TcpTarget, times);
  if (target.kind === 'http') {
    const asked = target as unknown as HttpTarget;
    return await probeHttp({ ...asked, headers: { 'user-agent': userAgent, ...asked.headers } }, times);
  }
  const message = `cannot: a place of this kind does ${KINDS.join(' and ')}, and not ${target.kind}`;
  return { state: 'unknown', latencyMs: 0, message, depth: 'connect', detail: {} };
}
