import { z } from 'zod';
import { Duration } from './duration.ts';
import * as machine from './machine-targets.ts';
import * as network from './network-targets.ts';
import type { PlacesRule } from './places-rule.ts';

/** What is asked of the world, by kind. */
export const CheckTarget = z.discriminatedUnion('kind', [
  network.HttpTarget,
  network.TcpTarget,
  network.PostgresTarget,
  network.MysqlTarget,
  network.RedisTarget,
  network.DnsTarget,
  network.TlsTarget,
  network.SmtpTarget,
  network.IcmpTarget,
  network.ModelsTarget,
  machine.ProcessTarget,
  machine.ProcessesTarget,
  machine.SystemdTarget,
  machine.ContainerTarget,
  machine.DiskTarget,
  machine.InodesTarget,
  machine.MemoryTarget,
  machine.LoadTarget,
  machine.FileTarget,
  machine.LogTarget,
  machine.SqliteTarget,
  z.object({
    kind: z.literal('push'),
    heartbeat: z.string().describe('The job that tells of itself: the name of its heartbeat.'),
  }),
  z.object({
    kind: z.literal('group'),
    group: z.string().describe('Several services of which enough have to be well: the name of the group.'),
  }),
]);
export type CheckTarget = z.output<typeof CheckTarget>;
export type CheckKind = CheckTarget['kind'];
export type TargetOf<Kind extends CheckKind> = Extract<CheckTarget, { kind: Kind }>;

/** Kinds that ask a peer over the network: their failure may be a failure of this machine's network. */
export const NETWORK_KINDS: ReadonlySet<CheckKind> = new Set<CheckKind>([
  'http',
  'tcp',
  'postgres',
  'mysql',
  'redis',
  'dns',
  'tls',
  'smtp',
  'icmp',
  'models',
]);

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
  /** Others look at it, too. */
  readonly places?: PlacesRule | undefined;
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
