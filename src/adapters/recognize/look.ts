import type { Recognition, RecognitionTarget, Sighting } from '../../core/recognizer.ts';
import { lookAtGreeting } from './greeters.ts';
import { frontPage, parseAnswer, request } from './http.ts';
import { askEndpoints } from './http-endpoints.ts';
import { lookMemcached, lookRedis } from './line-protocols.ts';
import { lookPostgres } from './postgres.ts';
import { shown, talk } from './talk.ts';

interface Options {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const POSTGRES = /postgres|pgbouncer|timescale|postgis|cockroach/;
const REDIS = /redis|valkey|keydb|dragonfly/;
const SPEAKS_FIRST = /ssh|mysql|mariadb|percona|nats|postfix|exim|smtp|ftp|dovecot|imap/;
/** A server that greets does so at once; on loopback a quarter of a second is long. */
const GREETING_MS = 250;
const GREETING_EXPECTED_MS = 1_000;

/**
 * The likely protocol first, by the hints; without any, in an order in which a wrong guess does no harm:
 * listen, then a bare HTTP/1.0 request (Redis and Memcached answer it with an error of their own), then the rest.
 */
export async function lookAtPort(target: RecognitionTarget, options: Options): Promise<Recognition> {
  const hint = target.hints.join(' ').toLowerCase();
  if (POSTGRES.test(hint)) {
    const seen = await lookPostgres(target, options);
    if (seen) return spoke(seen);
  }
  if (REDIS.test(hint)) {
    const seen = await lookRedis(target, options);
    if (seen) return spoke(seen);
  }
  if (/memcached/.test(hint)) {
    const seen = await lookMemcached(target, options);
    if (seen) return spoke(seen);
  }

  const connection = await talk(target, options);
  if (!connection) return { answer: 'refused', sightings: [] };
  let reply: Buffer;
  try {
    const greeting = await connection.read(SPEAKS_FIRST.test(hint) ? GREETING_EXPECTED_MS : GREETING_MS);
    if (greeting.length > 0) return spoke(await lookAtGreeting(connection, greeting, options.timeoutMs));
    connection.write('GET / HTTP/1.0\r\n\r\n');
    reply = await connection.read(options.timeoutMs);
  } finally {
    connection.end();
  }
  if (parseAnswer(reply)) return await lookAtHttp(target, false, options, reply);
  const text = reply.toString('latin1');
  if (/^-\w+/.test(text)) return await orElse(lookRedis(target, options), reply);
  if (text.startsWith('ERROR\r\n')) return await orElse(lookMemcached(target, options), reply);
  // On connections of their own, so all at once: a port that never answers must not cost their sum.
  const quiet = reply.length === 0;
  const [postgres, secured, redis] = await Promise.all([
    quiet || reply[0] === 0x45 ? lookPostgres(target, options) : undefined,
    lookAtHttp(target, true, options),
    quiet && !REDIS.test(hint) ? lookRedis(target, options) : undefined,
  ]);
  const seen = postgres ?? redis;
  if (seen) return spoke(seen);
  if (secured.answer === 'spoke') return secured;
  return quiet ? { answer: 'silent', sightings: [] } : spoke(unknownReply(reply));
}

function spoke(...sightings: Sighting[]): Recognition {
  return { answer: 'spoke', sightings };
}

function unknownReply(reply: Buffer): Sighting {
  return {
    source: 'banner',
    protocol: 'unknown',
    tls: false,
    detail: `answers a request with: ${shown(reply)}`,
    fields: {},
  };
}

async function orElse(look: Promise<Sighting | undefined>, reply: Buffer): Promise<Recognition> {
  return spoke((await look) ?? unknownReply(reply));
}

/** Plain, or inside TLS; `early` is what a request without a Host header already brought. */
async function lookAtHttp(
  target: RecognitionTarget,
  tls: boolean,
  options: Options,
  early?: Buffer,
): Promise<Recognition> {
  const where = { address: target.address, port: target.port, tls };
  if (tls) {
    const connection = await talk(target, { ...options, tls: true });
    if (!connection) return { answer: 'silent', sightings: [] };
    connection.end();
  }
  const answer = (await request(where, '/', options)) ?? (early && parseAnswer(early));
  if (!answer)
    return spoke({
      source: 'handshake',
      protocol: 'tls',
      tls: true,
      detail: 'completes a TLS handshake; no HTTP inside',
      fields: {},
    });
  const front = frontPage(answer, tls);
  return spoke(front, ...(await askEndpoints(where, front, target.hints, options)));
}
