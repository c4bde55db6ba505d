import type { Kysely } from 'kysely';
import { z } from 'zod';
import { ServiceState } from '../../core/check.ts';
import { CursorInstant } from '../../core/cursor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import { type Monitor, ServiceStatus } from '../../core/monitor.ts';
import { type AnyOperation, NoInput, PageInput, defineCommand, defineQuery, pageOf } from '../../core/operation.ts';
import { redact } from '../../core/redact.ts';
import type { Resource } from '../../core/resource.ts';
import type { JsonObject } from '../../core/json.ts';
import type { HealthReport } from './report.ts';
import { latestSweep, listChecks, serviceHistory } from './reads.ts';
import { type MonitoringTables, RESULT_STATES } from './tables.ts';
import { naming } from '../../core/naming.ts';

export interface OperationParts {
  readonly monitoring: Pick<Monitor, 'status' | 'probeNow'> & { report(): Promise<HealthReport> };
  readonly inventory: Inventory;
  readonly db: Kysely<MonitoringTables>;
  readonly node: string;
}

const service = naming('service', z.string().min(1).max(300).describe('The service: its id, name or identity.'));

const Health = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy', 'unknown']),
  score: z.number().min(0).max(100).describe('100 where all is well.'),
  deductions: z
    .array(z.object({ points: z.number(), reason: z.string(), resourceId: z.string() }))
    .describe('What was taken away from 100, and why.'),
  services: z.array(
    ServiceStatus.extend({
      name: z.string(),
      critical: z.boolean(),
      uptimePercent: z
        .number()
        .optional()
        .describe('Of the last 24 hours in which it was watched, meant to run, and not being worked on.'),
      maintenance: z.string().optional().describe('What is being done to it right now.'),
    }),
  ),
  stats: z.object({ total_checks: z.number().int(), healthy: z.number().int() }),
  sweep: z
    .object({
      at: z.coerce.date(),
      durationMs: z.number(),
      score: z.number(),
      summary: z.record(z.string(), z.number()),
    })
    .optional()
    .describe('The latest full sweep of this node.'),
});

const CheckView = z.object({
  id: z.string(),
  resourceId: z.string(),
  service: z.string(),
  kind: z.string(),
  state: ServiceState,
  every: z.string(),
  origin: z.string(),
  target: z.record(z.string(), z.unknown()).describe('What is asked, without secrets.'),
  consecutiveFailures: z.number().int(),
  at: z.coerce.date().optional(),
  latencyMs: z.number().optional(),
  depth: z.string().optional().describe("'handshake' reached the server, 'query' was answered by it."),
  message: z.string().optional(),
});

const HistoryEntry = z.object({
  at: z.coerce.date(),
  checkId: z.string(),
  kind: z.string(),
  state: z.enum(RESULT_STATES),
  latencyMs: z.number(),
  message: z.string(),
});

export function monitoringOperations({ monitoring, inventory, db, node }: OperationParts): AnyOperation[] {
  const named = async (reference: string): Promise<Resource> => {
    const resource = await inventory.resolve(reference);
    if (resource) return resource;
    throw new StewardError('NOT_FOUND', `No service is called '${reference}'.`, {
      hint: 'steward services lists what is known.',
    });
  };

  return [
    defineQuery({
      // Not 'health': /api/v1/health is the address that answers without a token and says nothing but alive.
      name: 'service-health',
      title: 'Health of the services',
      summary: 'How every service is, with a score from 0 to 100 and what took points away.',
      permission: 'read',
      input: NoInput,
      output: Health,
      paths: ['/api/v1/automation/health'],
      cli: ['health'],
      async handle() {
        const [{ overall, score, deductions, services }, sweep] = await Promise.all([
          monitoring.report(),
          latestSweep(db, node),
        ]);
        return {
          status: overall.overall_status,
          score,
          deductions: [...deductions],
          services: [...services],
          stats: overall.stats,
          ...(sweep && { sweep }),
        };
      },
    }),
    defineQuery({
      name: 'checks',
      title: 'Checks',
      summary: 'What is looked at, how often, and what the last look saw.',
      permission: 'read',
      input: PageInput.extend({ service: service.optional() }),
      output: pageOf(CheckView),
      columns: ['service', 'kind', 'state', 'latencyMs', 'message', 'every'],
      async handle({ limit, cursor, service: reference }) {
        const resourceId = reference === undefined ? undefined : (await named(reference)).id;
        const rows = await listChecks(db, { resourceId, after: cursor, limit: limit + 1 });
        const page = rows.slice(0, limit);
        const ids = [...new Set(page.map((row) => row.resourceId))];
        const known = new Map(
          await Promise.all(
            ids.map(
              async (id) => [id, { status: await monitoring.status(id), resource: await inventory.get(id) }] as const,
            ),
          ),
        );
        const items = page.map(({ id, resourceId: its, kind, target, timing, origin }) => {
          const owner = known.get(its);
          const state = owner?.status?.checks.find((check) => check.id === id);
          return {
            id,
            resourceId: its,
            service: owner?.resource?.name ?? its,
            kind,
            state: state?.state ?? ('pending' as const),
            every: timing.every,
            origin,
            target: redact(target as unknown as JsonObject),
            consecutiveFailures: state?.consecutiveFailures ?? 0,
            ...(state?.at && { at: state.at }),
            ...(state?.last && {
              latencyMs: state.last.latencyMs,
              depth: state.last.depth,
              message: state.last.message,
            }),
          };
        });
        return { items, ...(rows.length > limit && { next: page.at(-1)?.id }) };
      },
    }),
    defineQuery({
      name: 'service-history',
      title: 'History of a service',
      summary: 'What each probe of one service saw, newest first; kept for seven days.',
      permission: 'read',
      input: PageInput.extend({ service }),
      output: pageOf(HistoryEntry),
      cliArguments: ['service'],
      columns: ['at', 'kind', 'state', 'latencyMs', 'message'],
      async handle({ service: reference, limit, cursor }) {
        const { id: resourceId } = await named(reference);
        const rows = await serviceHistory(db, { resourceId, before: place(cursor), limit: limit + 1 });
        const items = rows.slice(0, limit).map(({ at, checkId, kind, state, latencyMs, message }) => {
          const name = RESULT_STATES[state] ?? ('unknown' as const);
          return { at, checkId, kind, state: name, latencyMs, message: message ?? 'as it should be' };
        });
        const last = items.at(-1);
        return { items, ...(rows.length > limit && last && { next: `${last.at.toISOString()}~${last.checkId}` }) };
      },
    }),
    defineCommand({
      name: 'probe-service',
      title: 'Probe a service now',
      summary: 'Asks every check of one service at once; the results count like scheduled ones.',
      permission: 'operate',
      input: z.object({ service }),
      output: ServiceStatus,
      cli: ['probe'],
      cliArguments: ['service'],
      async handle({ service: reference }) {
        const resource = await named(reference);
        const status = await monitoring.probeNow(resource.id, AbortSignal.timeout(60_000));
        if (status) return status;
        throw new StewardError('PRECONDITION_FAILED', `${resource.name} is not watched.`, {
          hint: 'Give it a check in steward.yaml, or adopt it.',
        });
      },
    }),
  ];
}

/** Where a page of the history ended: the time and the check, because many checks share one instant. */
function place(cursor: string | undefined): { at: Date; checkId: string } | undefined {
  if (cursor === undefined) return undefined;
  const [time = '', checkId = ''] = cursor.split('~', 2);
  const at = CursorInstant.safeParse(time);
  if (at.success) return { at: at.data, checkId };
  throw new StewardError('INPUT_INVALID', `cursor: '${cursor}' is not one that this list gave.`, {
    problems: [{ path: 'cursor', message: "expected the 'next' of the page before" }],
    hint: 'Leave the cursor out to begin with the newest.',
  });
}
