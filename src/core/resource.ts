import { z } from 'zod';

export const ResourceKind = z.enum([
  'node',
  'service',
  'container',
  'database',
  'volume',
  'certificate',
  'repository',
  'file-set',
  'mcp-server',
]);
export type ResourceKind = z.output<typeof ResourceKind>;

/** One observation that speaks for an identification, and how much it is worth. */
export const Evidence = z.object({
  source: z.enum([
    'process',
    'banner',
    'handshake',
    'http',
    'container',
    'systemd',
    'port',
    'configuration',
    'connection',
    'network',
  ]),
  detail: z.string().describe('What was seen, shortened; text from the machine, never trusted.'),
  /** 0 to 1. A port number alone is worth little, a completed handshake much. */
  weight: z.number().min(0).max(1),
});
export type Evidence = z.output<typeof Evidence>;

/** Where a service listens. */
export const Endpoint = z.object({
  protocol: z.enum(['tcp', 'udp', 'unix']),
  address: z.string().describe('The address as bound: 127.0.0.1, 0.0.0.0, ::, or a socket path.'),
  port: z.number().int().min(0).max(65_535),
});
export type Endpoint = z.output<typeof Endpoint>;

/**
 * How a bare process was started, captured while it ran, so that it can be started again. In a resource the arguments
 * are without what looks like a secret: for showing, not for starting.
 */
export const LaunchRecipe = z.object({
  argv: z.array(z.string()).min(1),
  executable: z.string(),
  cwd: z.string(),
  uid: z.number().int(),
  gid: z.number().int(),
});
export type LaunchRecipe = z.output<typeof LaunchRecipe>;

/** Who keeps a service running. It decides how the service is restarted and what 'stopped on purpose' looks like. */
export const Supervisor = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('systemd'), unit: z.string(), scope: z.enum(['system', 'user']) }),
  z.object({
    kind: z.literal('docker'),
    container: z.string().describe('Container id.'),
    name: z.string(),
    project: z.string().optional().describe('Compose project.'),
    service: z.string().optional().describe('Compose service.'),
  }),
  z.object({
    kind: z.literal('process'),
    recipe: LaunchRecipe,
    origin: z
      .enum(['captured', 'configured'])
      .optional()
      .describe('configured: steward.yaml says how it is started; what runs now may have been started in another way.'),
  }),
  z.object({
    kind: z.literal('foreign'),
    name: z.string().describe('A supervisor Steward does not drive: pm2, supervisord.'),
  }),
  z.object({
    kind: z.literal('none'),
    reason: z
      .string()
      .optional()
      .describe('Why it cannot be started again though its owner asked for it, and what to do.'),
  }),
]);
export type Supervisor = z.output<typeof Supervisor>;

/** A compose file describes it. */
export const Declared = z.object({
  file: z.string(),
  line: z.number().int(),
  running: z.boolean().describe('False: there is no container of it, so nothing can be asked and nothing is wrong.'),
  profiles: z.array(z.string()).describe('It starts only with one of these; empty where it starts with its project.'),
});
export type Declared = z.output<typeof Declared>;

/** An address that people use, which a proxy passes on to the service. */
export const Published = z.object({
  url: z.string().describe("'*' in place of a host: under any name."),
  via: z.string().describe('Name of the proxy.'),
  file: z.string().describe('Where the proxy is told so, or the address that it was asked at.'),
  line: z.number().int(),
});
export type Published = z.output<typeof Published>;

/**
 * Something Steward knows. Its id never changes: restarts, new ports and new versions keep it,
 * and when it disappears a tombstone keeps it too.
 */
export const Resource = z.object({
  id: z.string(),
  kind: ResourceKind,
  /** What makes it the same thing again: unit, container name, executable with its working folder. Unique per node and kind. */
  identity: z.string(),
  node: z.string(),
  name: z.string(),
  product: z
    .string()
    .describe("What it is: postgresql, redis, nginx; 'unknown' where the evidence does not carry a name."),
  version: z.string().optional(),
  confidence: z.number().min(0).max(1),
  evidence: z.array(Evidence),
  endpoints: z.array(Endpoint),
  pids: z.array(z.number().int()),
  supervisor: Supervisor,
  owner: z.string().optional().describe('The system user it runs as.'),
  labels: z.record(z.string(), z.string()),
  critical: z.boolean(),
  /** pending: found outside loopback and container networks, so nothing is done to it until a person adopts it. */
  adoption: z.enum(['adopted', 'pending', 'ignored']),
  origin: z.enum(['discovered', 'configured']),
  declared: Declared.optional(),
  published: z.array(Published).optional(),
  state: z.enum(['present', 'gone']),
  firstSeen: z.coerce.date(),
  lastSeen: z.coerce.date(),
  goneSince: z.coerce.date().optional(),
});
export type Resource = z.output<typeof Resource>;

/** `from` depends on `to`, because of what was seen; a group has its members without needing each of them. */
export const Edge = z.object({
  from: z.string(),
  to: z.string(),
  kind: z.enum(['connects-to', 'network', 'configured', 'runs-on', 'part-of', 'member']),
  evidence: z.array(Evidence),
  firstSeen: z.coerce.date(),
  lastSeen: z.coerce.date(),
});
export type Edge = z.output<typeof Edge>;

/** Kinds that say one needs the other. Sharing a network means that two could talk; of its members a group needs only enough. */
export const DEPENDENCY_KINDS: ReadonlySet<Edge['kind']> = new Set<Edge['kind']>([
  'connects-to',
  'configured',
  'runs-on',
  'part-of',
]);
