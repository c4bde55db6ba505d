import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentialText } from '../../edge/handlers/probe/credential.ts';
import type { PlaceConfig, SignedConfig } from '../../edge/handlers/probe/messages.ts';
import { openConfig } from '../../edge/handlers/probe/signed-config.ts';
import { classifyAddress } from '../adapters/outbound/address-class.ts';
import { createProber } from '../adapters/probes/index.ts';
import { createWayOut } from '../adapters/probes/way-out.ts';
import { writeAtomically } from '../config/write-atomically.ts';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { PLACE_KINDS } from '../core/places.ts';
import { createSelfCheck } from '../systems/monitoring/self-check.ts';
import { openBacklog } from './backlog.ts';
import { createLooks } from './looks.ts';
import { serverAt } from './server.ts';
import { tokenOf } from './token-file.ts';

export interface PlaceOptions {
  readonly server: string;
  readonly tokenFile: string;
  /** Where it keeps its configuration and what waits to be sent. */
  readonly folder: string;
  readonly software: string;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const FIRST_REPORT_MS = 15_000;
/** What changed is told soon, and together with what changes in the same moment. */
const NEWS_MS = 300;
const MOST_AT_ONCE = 500;
const LONGEST_WAIT_MS = 60_000;
const LAST_WORD_MS = 3_000;

/** Looks from here until it is told to stop; everything it needs goes out from here, nothing comes in. */
export async function runPlace({
  server: address,
  tokenFile,
  folder,
  software,
  log,
  signal,
}: PlaceOptions): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const server = serverAt(address);
  const credential = await tokenOf(tokenFile, folder, server);
  const token = credentialText(credential);
  const configFile = join(folder, 'config.json');
  const backlog = await openBacklog(folder, {
    onTrouble: (reason) => log.warn('results cannot be written to disk and stay in memory', { reason }),
  });
  const selfCheck = createSelfCheck();
  const prober = createProber({
    secrets: () => Promise.reject(new StewardError('FORBIDDEN', 'A place has no secrets.')),
    mayGoTo: (address) => classifyAddress(address) !== 'forbidden',
  });
  const states = new Map<string, string>();
  let config: PlaceConfig | undefined;
  let news = Promise.withResolvers<void>();
  let failures = 0;

  const looks = createLooks({
    prober,
    blame: selfCheck.blame,
    wayTo: createWayOut({ prober, references: () => config?.references ?? [] }),
    onResult(result) {
      backlog.add(result);
      if (states.get(result.check) !== result.state) news.resolve();
      states.set(result.check, result.state);
    },
    onTrouble: (reason) => log.error('what was seen could not be kept', { reason }),
    signal,
  });

  async function follow(signed: SignedConfig): Promise<boolean> {
    const opened = await openConfig(signed, { place: credential.id, key: credential.key, have: config?.version ?? 0 });
    if ('refused' in opened) {
      log.error('a configuration was refused', { reason: opened.refused });
      return false;
    }
    ({ config } = opened);
    looks.follow(config);
    log.info('looks from here', { checks: config.checks.length, version: config.version });
    return true;
  }

  /** All that waits, in as many requests as it takes. */
  async function report(): Promise<void> {
    do {
      const results = backlog.first(MOST_AT_ONCE);
      try {
        const { config: told, ahead = 0 } = await server.report(token, {
          have: config?.version ?? 0,
          sentAt: new Date().toISOString(),
          everyMs: config?.reportEveryMs ?? FIRST_REPORT_MS,
          software,
          kinds: [...PLACE_KINDS, 'http.json', 'http.insecure'],
          backlog: backlog.size - results.length,
          dropped: backlog.dropped,
          unwell: await selfCheck.blame(),
          results,
        });
        if (results.length > 0) backlog.remove(results, 'sent');
        if (ahead > 0)
          log.warn('the server dropped results of a time that has not come; was the clock of this machine wrong?', {
            results: ahead,
          });
        if (told && (await follow(told))) await writeAtomically(configFile, JSON.stringify(told));
      } catch (thrown) {
        if (!(thrown instanceof StewardError && thrown.code === 'INPUT_INVALID' && results.length > 0)) throw thrown;
        log.error('the server takes these results at no time; they are given up', {
          results: results.length,
          reason: thrown.message,
        });
        backlog.remove(results, 'up');
      }
    } while (backlog.size >= MOST_AT_ONCE && !signal.aborted);
  }

  async function reportAgainAndAgain(): Promise<void> {
    while (!signal.aborted) {
      news = Promise.withResolvers();
      try {
        await report();
        if (failures > 0) log.info('the server answers again', { waiting: backlog.size });
        failures = 0;
      } catch (thrown) {
        const error = StewardError.from(thrown);
        if (error.code === 'UNAUTHENTICATED') throw error;
        failures += 1;
        if (failures === 1) log.warn('the server cannot be told; results wait here', { reason: error.message });
      }
      const everyMs = config?.reportEveryMs ?? FIRST_REPORT_MS;
      const waitMs = Math.min(everyMs * 2 ** Math.min(failures, 10), Math.max(LONGEST_WAIT_MS, everyMs));
      const rested = sleep(waitMs * (0.9 + Math.random() * 0.2), undefined, { signal }).catch(() => undefined);
      await (failures > 0 ? rested : Promise.race([rested, news.promise.then(() => sleep(NEWS_MS))]));
    }
  }

  await selfCheck.start();
  try {
    const kept = await readFile(configFile, 'utf8').catch(() => undefined);
    if (kept !== undefined) await follow(JSON.parse(kept) as SignedConfig);
    await reportAgainAndAgain();
    await Promise.race([report(), sleep(LAST_WORD_MS)]).catch(() => undefined);
  } finally {
    looks.stop();
    await Promise.all([backlog.settled(), selfCheck.stop(), prober.close()]);
  }
}
