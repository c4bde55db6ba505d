import { z } from 'zod';
import { type AnyOperation, defineQuery, NoInput } from '../../core/operation.ts';
import type { System } from '../../core/system.ts';

const OverallHealth = z.enum(['healthy', 'degraded', 'unhealthy', 'unknown']);

/** The shape is a promise to scripts: members are neither renamed nor added. */
export const AutomationStatus = z.strictObject({
  workflows: z.strictObject({
    active: z.number().int().describe("The core workflows and the user's own."),
    triggers: z.number().int(),
  }),
  scaling: z.strictObject({
    cpu: z.number().describe('Percent of this node.'),
    memory: z.number().describe('Percent of this node.'),
    active_nodes: z.number().int(),
  }),
  healing: z.strictObject({
    overall_status: OverallHealth,
    components: z.array(
      z.strictObject({
        id: z.string(),
        name: z.string(),
        status: z.string(),
        since: z.coerce.date(),
        message: z.string(),
      }),
    ),
    stats: z.strictObject({
      total_checks: z.number().int(),
      healthy: z.number().int(),
      successful_healings: z.number().int(),
    }),
  }),
  intelligence: z.strictObject({
    learned_patterns: z.number().int(),
    pending_optimizations: z.number().int(),
    high_impact_suggestions: z.number().int(),
  }),
  discovery: z.strictObject({ services: z.number().int() }),
});
export type AutomationStatus = z.output<typeof AutomationStatus>;

/** Something a person should know although nothing is broken: no alert channel, a configuration that was refused. */
export const Notice = z.object({
  id: z.string(),
  level: z.enum(['info', 'warning', 'critical']),
  text: z.string(),
  hint: z.string().optional().describe('What to do about it.'),
});
export type Notice = z.output<typeof Notice>;

export const Overview = z.object({
  verdict: z.enum(['ok', 'attention', 'broken', 'unknown']),
  sentence: z.string().describe('Is everything all right, and what needs a person.'),
  version: z.string(),
  node: z.object({ id: z.string(), name: z.string() }),
  startedAt: z.coerce.date(),
  store: z.object({
    ok: z.boolean(),
    mode: z.enum(['bundled', 'external']),
    latencyMs: z.number(),
    reason: z.string().optional(),
  }),
  services: z.record(z.string(), z.number().int()).describe('How many are in each state.'),
  openIncidents: z.number().int(),
  waitingApproval: z.number().int(),
  waitingAnswer: z.number().int().describe('Workflows that ask a person something.'),
  delivery: z.object({
    channels: z.number().int(),
    failing: z.array(z.string()),
    deadMan: z.boolean().describe('Whether somebody outside is told every minute that Steward lives.'),
  }),
  notices: z.array(Notice),
});
export type Overview = z.output<typeof Overview>;

type Provider<T> = () => Promise<T> | T;

export interface StatusDeps {
  readonly version: string;
  readonly node: { readonly id: string; readonly name: string };
  readonly startedAt: Date;
  readonly store: Provider<Overview['store']>;
  readonly workflows: Provider<AutomationStatus['workflows']>;
  readonly scaling: Provider<AutomationStatus['scaling']>;
  readonly healing: Provider<AutomationStatus['healing']>;
  readonly intelligence: Provider<AutomationStatus['intelligence']>;
  readonly discovery: Provider<AutomationStatus['discovery']>;
  readonly services: Provider<Overview['services']>;
  /** Those a person has to look at: open, healing and escalated, children of others left out. */
  readonly incidents: Provider<
    readonly { readonly title: string; readonly status: string; readonly severity: string }[]
  >;
  readonly waitingApproval: Provider<number>;
  readonly waitingAnswer: Provider<number>;
  readonly delivery: Provider<Overview['delivery']>;
  readonly notices: Provider<readonly Notice[]>;
}

/** One answer about everything, put together from what the systems say. */
export function createStatus(deps: StatusDeps): System {
  const operations: readonly AnyOperation[] = [
    defineQuery({
      name: 'automation-status',
      title: 'Status',
      summary: 'Shows workflows, load, health, suggestions and services in numbers.',
      permission: 'read',
      paths: ['/api/v1/automation/status'],
      cli: ['status'],
      input: NoInput,
      output: AutomationStatus,
      async handle() {
        const [workflows, scaling, healing, intelligence, discovery] = await Promise.all([
          deps.workflows(),
          deps.scaling(),
          deps.healing(),
          deps.intelligence(),
          deps.discovery(),
        ]);
        return { workflows, scaling, healing, intelligence, discovery };
      },
    }),
    defineQuery({
      name: 'overview',
      title: 'Overview',
      summary: 'Says whether everything is all right and what needs a person.',
      permission: 'read',
      input: NoInput,
      output: Overview,
      async handle() {
        const [store, services, incidents, waitingApproval, waitingAnswer, delivery, notices] = await Promise.all([
          deps.store(),
          deps.services(),
          deps.incidents(),
          deps.waitingApproval(),
          deps.waitingAnswer(),
          deps.delivery(),
          deps.notices(),
        ]);
        const { version, node, startedAt } = deps;
        const judged = judge({
          services,
          incidents,
          waitingApproval,
          waitingAnswer,
          storeOk: store.ok,
          critical: notices.filter(({ level }) => level === 'critical').length,
        });
        return {
          ...judged,
          version,
          node,
          startedAt,
          store,
          services,
          openIncidents: incidents.length,
          waitingApproval,
          waitingAnswer,
          delivery,
          notices: [...notices],
        };
      },
    }),
  ];
  return { name: 'status', operations, jobs: [], async start() {}, async stop() {} };
}

export interface Situation {
  readonly services: Overview['services'];
  readonly incidents: readonly { readonly title: string; readonly status: string; readonly severity: string }[];
  readonly waitingApproval: number;
  readonly waitingAnswer?: number;
  readonly storeOk: boolean;
  readonly critical: number;
}

/** The first sentence somebody reads who was woken up. What needs a person comes before what heals by itself. */
export function judge({
  services,
  incidents,
  waitingApproval,
  waitingAnswer = 0,
  storeOk,
  critical,
}: Situation): Pick<Overview, 'verdict' | 'sentence'> {
  if (!storeOk)
    return { verdict: 'broken', sentence: 'The store does not answer, so nothing can be said about the rest.' };
  const escalated = incidents.filter(({ status }) => status === 'escalated');
  const others = incidents.filter(({ status }) => status !== 'escalated');
  const parts: string[] = [];
  if (escalated.length > 0)
    parts.push(
      `you are needed${escalated.length === 1 ? `: ${escalated[0]?.title}` : ` for ${escalated.length} incidents`}`,
    );
  if (waitingApproval > 0) parts.push(`${count(waitingApproval, 'plan waits', 'plans wait')} for your approval`);
  if (waitingAnswer > 0) parts.push(`${count(waitingAnswer, 'workflow asks', 'workflows ask')} you something`);
  if (others.length > 0) {
    const more = escalated.length > 0 ? 'more ' : '';
    const healing = others.filter(({ status }) => status === 'healing').length;
    parts.push(
      `${count(others.length, `${more}incident is`, `${more}incidents are`)} open${healing > 0 ? `, ${healing === others.length ? 'being healed' : `${healing} being healed`}` : ''}`,
    );
  }
  const down = services['down'] ?? 0;
  if (parts.length === 0 && down > 0) parts.push(`${count(down, 'service is', 'services are')} down`);
  if (critical > 0) parts.push(`${count(critical, 'notice is', 'notices are')} critical`);
  if (parts.length > 0) {
    return {
      verdict: escalated.length > 0 || down > 0 || critical > 0 ? 'broken' : 'attention',
      sentence: `${capitalized(parts.join('; '))}.`,
    };
  }
  const watched = Object.entries(services).reduce(
    (sum, [state, number]) => sum + (state === 'stopped' ? 0 : number),
    0,
  );
  if (watched === 0) return { verdict: 'unknown', sentence: 'No service is being watched yet.' };
  const unsure = (services['unknown'] ?? 0) + (services['pending'] ?? 0);
  const degraded = services['degraded'] ?? 0;
  if (degraded > 0)
    return {
      verdict: 'attention',
      sentence: `Nothing is down; ${count(degraded, 'service is', 'services are')} slower or answering with less than they should.`,
    };
  if (unsure > 0)
    return {
      verdict: 'unknown',
      sentence: `Nothing is down; about ${count(unsure, 'service', 'services')} nothing can be said yet.`,
    };
  return {
    verdict: 'ok',
    sentence: `Everything is all right: ${watched === 1 ? 'the one service is' : `all ${watched} services are`} up.`,
  };
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
