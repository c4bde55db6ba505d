import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineQuery } from '../../core/operation.ts';
import type { Serving } from './messages.ts';
import type { ConfiguredRoute } from './routes.ts';

export interface GatewayState {
  readonly address: string | undefined;
  readonly problem: string | undefined;
  readonly routes: readonly ConfiguredRoute[];
  /** Nothing where it serves nothing, or does not answer. */
  readonly serving: Serving | undefined;
}

/** So many of the last ones are looked at for those of a route. */
const LOOKED_AT = 2_000;

const counts = z.record(z.string(), z.number().int());

const Times = z.object({
  p50: z.number().optional(),
  p95: z.number().optional(),
  p99: z.number().optional(),
});

const TargetView = z.object({
  name: z.string().describe('As configured: an origin, or a service of the inventory.'),
  origin: z.string().optional().describe('Where it is asked; nothing where the service is not known here.'),
  health: z.enum(['up', 'down', 'unknown']).describe('What monitoring says. A target that is down is not asked.'),
  breaker: z
    .enum(['closed', 'open', 'half-open'])
    .describe('open: it failed too often, and is left alone for a while.'),
  outstanding: z.number().int().describe('Requests that wait for it now.'),
  failures: z.number().int().describe('In a row.'),
  lastFailure: z.string().optional(),
});

const State = z.object({
  address: z
    .string()
    .optional()
    .describe('Where the gateway listens; nothing where no route is configured, or where it cannot.'),
  problem: z
    .string()
    .optional()
    .describe('Why it does not serve as configured: a port that is taken, a secret that cannot be read.'),
  routes: z.array(
    z.object({
      name: z.string(),
      host: z.string().optional(),
      path: z.string(),
      upstream: z.string(),
      auth: z.array(z.string()),
      requests: z.number().int(),
      refused: z.number().int(),
      failed: z.number().int().describe('Answered with 5xx, or not at all.'),
      milliseconds: Times,
    }),
  ),
  withoutRoute: z.number().int().describe('Requests that no route takes.'),
  upstreams: z.array(z.object({ name: z.string(), targets: z.array(TargetView) })),
  requests: z.number().int().describe('Since the gateway of this node began, like all that follows.'),
  byStatus: counts.describe('Answers by hundreds.'),
  refusals: counts.describe('By the rule that refused.'),
  failures: counts.describe('What failed at an upstream or did not go to its end, by reason.'),
  milliseconds: Times.describe('From a request to the end of its answer.'),
  ownMilliseconds: Times.describe('Of that, what the gateway took before it asked an upstream.'),
  tunnels: z.number().int().describe('WebSockets that are open now.'),
  limitsShared: z.boolean().describe('Whether the store answers; where not, this node lets through its own share.'),
  logLinesDropped: z.number().int().describe('Lines of the access log that the disk did not take.'),
});

const Record = z.looseObject({
  id: z.string(),
  at: z.string(),
  address: z.string(),
  method: z.string().optional().describe('Nothing where what came could not be read.'),
  path: z.string().optional(),
  rule: z.string().describe('What decided.'),
  status: z.number().int().optional(),
});

export function gatewayOperations({
  state,
  find,
  refused,
}: {
  readonly state: () => Promise<GatewayState>;
  readonly find: (id: string) => Promise<unknown>;
  readonly refused: (limit: number) => Promise<readonly unknown[]>;
}): AnyOperation[] {
  return [
    defineQuery({
      name: 'gateway',
      title: 'Gateway',
      summary: 'Routes, upstreams with their health, and what was answered and refused, of this node.',
      permission: 'read',
      input: z.object({}),
      output: State,
      cli: ['gateway', 'status'],
      handle: async () => viewOf(await state()),
    }),

    defineQuery({
      name: 'gateway-explain',
      title: 'Explain a request',
      summary: 'Says what became of a request to the gateway, and which rule, counter and key decided.',
      permission: 'operate',
      input: z.object({ id: z.uuid().describe('The X-Request-Id of its answer.') }),
      output: Record,
      cli: ['gateway', 'explain'],
      cliArguments: ['id'],
      async handle({ id }) {
        const found = Record.safeParse(await find(id));
        if (found.success) return found.data;
        throw new StewardError('NOT_FOUND', `No request ${id} is in the access log of this node.`, {
          hint: 'Each node keeps its own log, for 14 days and up to 256 MB of what was refused. Ask the node that answered.',
        });
      },
    }),

    defineQuery({
      name: 'gateway-refused',
      title: 'What the gateway refused',
      summary: 'Requests to the gateway of this node that were refused or failed, the latest first, each with why.',
      permission: 'operate',
      input: z.object({
        route: z.string().max(100).optional().describe('Only of this route.'),
        limit: z.coerce.number().int().min(1).max(500).default(50).describe('At most so many.'),
      }),
      output: z.object({ items: z.array(Record) }),
      cli: ['gateway', 'refused'],
      columns: ['at', 'status', 'rule', 'method', 'path', 'address', 'id'],
      async handle({ route, limit }) {
        const read = (await refused(LOOKED_AT)).flatMap((each) => Record.safeParse(each).data ?? []);
        return { items: read.filter((each) => route === undefined || each['route'] === route).slice(0, limit) };
      },
    }),
  ];
}

const NOTHING: Serving = {
  routes: new Map(),
  upstreams: [],
  requests: 0,
  byStatus: {},
  refusals: {},
  failures: {},
  milliseconds: {},
  ownMilliseconds: {},
  tunnels: 0,
  limitsShared: false,
  logLinesDropped: 0,
};
const NEVER = { requests: 0, refused: 0, failed: 0, milliseconds: {} };

function viewOf({ address, problem, routes, serving = NOTHING }: GatewayState): z.input<typeof State> {
  return {
    ...(address !== undefined && { address }),
    ...(problem !== undefined && { problem }),
    ...serving,
    routes: routes.map(({ name, host, path, upstream, auth }) => ({
      name,
      ...(host !== undefined && { host }),
      path,
      upstream,
      auth: auth.map(({ is }) => is),
      ...(serving.routes.get(name) ?? NEVER),
    })),
    withoutRoute: serving.routes.get(undefined)?.requests ?? 0,
    upstreams: serving.upstreams.map(({ name, targets }) => ({
      name,
      targets: targets.map(({ origin, lastFailure, ...target }) => ({
        ...target,
        ...(origin !== undefined && { origin }),
        ...(lastFailure !== undefined && { lastFailure }),
      })),
    })),
  };
}
