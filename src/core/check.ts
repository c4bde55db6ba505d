import { z } from 'zod';
import { Duration } from './duration.ts';

/** `{ env: NAME }`, `{ file: path }` or `{ credential: name }`: where a secret lives. The value itself is never stored. */
export const SecretReference = z
  .union([
    z.object({ env: z.string().min(1) }).strict(),
    z.object({ file: z.string().min(1) }).strict(),
    z.object({ credential: z.string().min(1) }).strict(),
  ])
  .describe('Where the secret is: {env: NAME}, {file: /path} or {credential: name} (a systemd credential).');
export type SecretReference = z.output<typeof SecretReference>;

const host = z.string().min(1).default('127.0.0.1').describe('Host name or address.');
const port = z.number().int().min(1).max(65_535);

/** What is asked of the world, by kind. */
export const CheckTarget = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('http'),
    url: z.url().describe('The address to GET.'),
    expectStatus: z
      .array(z.number().int().min(100).max(599))
      .min(1)
      .default([200])
      .describe('Statuses that count as healthy.'),
    /** Set for services that discovery found: what the first good answer was, so a service that greets with 404 or 401 is not called down. */
    acceptAnyBelow: z.number().int().optional().describe('Any status below this one is healthy.'),
    headers: z.record(z.string(), z.string()).default({}).describe('Headers to send.'),
    expectBody: z.string().optional().describe('Text that the body must contain.'),
    followRedirects: z.boolean().default(false),
    insecure: z.boolean().default(false).describe('Accept a certificate that does not verify.'),
  }),
  z.object({ kind: z.literal('tcp'), host, port }),
  z.object({
    kind: z.literal('process'),
    pid: z.number().int().optional(),
    executable: z.string().optional(),
    argvContains: z.string().optional(),
  }),
  z.object({ kind: z.literal('systemd'), unit: z.string(), scope: z.enum(['system', 'user']).default('system') }),
  z.object({ kind: z.literal('container'), container: z.string().describe('Container id or name.') }),
  z.object({
    kind: z.literal('postgres'),
    host,
    port: port.default(5432),
    user: z.string().optional(),
    database: z.string().optional(),
    password: SecretReference.optional().describe(
      'With it the check runs SELECT 1; without it, only the handshake is tried, and the result says so.',
    ),
  }),
  z.object({
    kind: z.literal('mysql'),
    host,
    port: port.default(3306),
    user: z.string().optional(),
    password: SecretReference.optional(),
  }),
  z.object({
    kind: z.literal('redis'),
    host,
    port: port.default(6379),
    user: z.string().optional(),
    password: SecretReference.optional(),
  }),
]);
export type CheckTarget = z.output<typeof CheckTarget>;
export type CheckKind = CheckTarget['kind'];

export const CheckTiming = z.object({
  every: Duration.default('60s').describe('Time between two probes.'),
  timeout: Duration.default('5s').describe('A probe that takes longer has failed.'),
  failures: z.number().int().min(1).max(100).default(3).describe('Failures in a row before the service is down.'),
  successes: z.number().int().min(1).max(100).default(1).describe('Good answers in a row before it is up again.'),
  slow: Duration.default('30s').describe('An answer slower than this makes the service degraded.'),
});
export type CheckTiming = z.output<typeof CheckTiming>;

/** One thing that is looked at again and again, and belongs to one service. */
export interface Check extends CheckTiming {
  readonly id: string;
  readonly resourceId: string;
  readonly target: CheckTarget;
  readonly origin: 'discovered' | 'configured';
}

/** A trouble with a name, for which there is a known way out: whoever heals goes by it. */
export const Problem = z.enum([
  'disk.full',
  'inodes.full',
  'memory.high',
  'load.high',
  'database.locked',
  'pool.exhausted',
  'process.frozen',
]);
export type Problem = z.output<typeof Problem>;

/**
 * What one probe saw. `stopped` is somebody's decision, not a failure; `unknown` blames the prober.
 * `depth` tells a greeting from a proof: `handshake` reached the server, `query` was answered by it.
 */
export const ProbeResult = z.object({
  state: z.enum(['up', 'degraded', 'down', 'stopped', 'unknown']),
  latencyMs: z.number().min(0),
  message: z.string(),
  depth: z.enum(['presence', 'connect', 'handshake', 'query']),
  /** Which trouble it is, where the probe can name it; never with `up`. */
  problem: Problem.optional(),
  /** What the peer said, cut and untrusted: status, first bytes, exit code. */
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).default({}),
});
export type ProbeResult = z.output<typeof ProbeResult>;

export const ServiceState = z.enum(['pending', 'up', 'degraded', 'down', 'stopped', 'unknown']);
export type ServiceState = z.output<typeof ServiceState>;

/** Looks once, touches nothing, never throws for what the peer does: a refusal is a result. */
export interface Prober {
  probe(target: CheckTarget, options: { timeoutMs: number; slowMs: number; signal: AbortSignal }): Promise<ProbeResult>;
}
