import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { StewardError } from '../../core/errors.ts';
import { HEALTH_GROUPS, HealthFindings, type HealthItem } from '../../core/health-report.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import { scored } from '../../core/score.ts';
import { certificateItems, dockerItem, logItems, modelItems, resourceItems, serviceItems } from './analyze.ts';

const MOST_ITEMS = 1_000;

export default defineAutomation({
  name: 'daily-health-check',
  version: 1,
  title: 'Daily health check',
  summary:
    'Looks at everything of a machine: Docker, core services, interfaces, databases, agents, models, resources, logs, certificates; gives a score from 0 to 100.',
  category: 'health',
  effect: 'read',
  priority: 'P1',
  ifMissed: 'what gets worse slowly is noticed when it breaks',
  load: 'light',
  needs: ['health', 'inventory', 'prober', 'docker', 'host'],
  input: z.object({
    criticalFailures: z
      .number()
      .int()
      .min(1)
      .max(1_000)
      .optional()
      .describe('So many failed checks make the report critical; by default what reports.criticalFailures says.'),
    renewalDays: z
      .number()
      .int()
      .min(1)
      .max(3_650)
      .optional()
      .describe('Certificates that expire sooner are named; by default what reports.renewalDays says.'),
  }),
  output: HealthFindings,
  examples: [
    { title: 'As every morning', input: {} },
    { title: 'Stricter about certificates', input: { renewalDays: 60 } },
  ],
  safeguards: { timeout: '2m', retry: { attempts: 2, backoff: '2s' } },

  async analyze({ input, ports, signal, now, node, progress }) {
    const configured = await ports.health.thresholds();
    const limits = {
      ...configured,
      criticalFailures: input.criticalFailures ?? configured.criticalFailures,
      renewalDays: input.renewalDays ?? configured.renewalDays,
    };
    const [services, known, containers, sample, logs] = await Promise.all([
      ports.health.services(),
      ports.inventory.find({ node: node.id, state: 'present' }),
      ports.docker
        .containers()
        .catch((thrown: unknown): { problem: string } => ({ problem: StewardError.from(thrown).message })),
      ports.host.sample(),
      ports.health.logFiles(),
    ]);
    progress({ done: 1, total: 2, message: `${services.length} services, ${known.length} things known` });
    const needsDocker = known.some(({ supervisor }) => supervisor.kind === 'docker');
    const models = await modelItems(services, ports, signal);
    const certificates = known.filter(({ kind }) => kind === 'certificate');
    const inGroup = (group: HealthItem['group'], items: readonly Omit<HealthItem, 'group'>[]): HealthItem[] =>
      items.map((each) => ({ group, ...each }));
    const items = [
      ...inGroup('docker', [dockerItem(containers as readonly ContainerInfo[] | { problem: string }, needsDocker)]),
      ...serviceItems(services),
      ...inGroup('models', models),
      ...inGroup('resources', resourceItems(sample, limits)),
      ...inGroup('logs', logItems(logs, limits)),
      ...inGroup('certificates', certificateItems(certificates, limits, now())),
    ];
    return {
      at: now().toISOString(),
      node: node.name,
      limits: { criticalFailures: limits.criticalFailures, renewalDays: limits.renewalDays },
      // What is not well comes first, should there be more than fit.
      items: items
        .toSorted((a, b) => ORDER[a.state] - ORDER[b.state] || GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group))
        .slice(0, MOST_ITEMS),
    };
  },

  async verify({ ports }, { facts }) {
    const again = await ports.host.sample();
    const groups = new Set(facts.items.map(({ group }) => group));
    return [
      {
        name: 'the machine, its logs and Docker were looked at',
        ok:
          (['resources', 'logs', 'docker'] as const).every((group) => groups.has(group)) && again.memoryTotalBytes > 0,
        evidence: { groups: [...groups], uptimeSeconds: again.uptimeSeconds },
      },
    ];
  },

  record({ facts }) {
    const scored = scoreOf(facts.items);
    return {
      at: new Date(facts.at),
      node: facts.node,
      ...scored,
      critical: scored.failed >= facts.limits.criticalFailures,
      thresholds: facts.limits,
      items: facts.items,
    };
  },
});

const GROUPS: readonly HealthItem['group'][] = HEALTH_GROUPS;
const ORDER: Readonly<Record<HealthItem['state'], number>> = { failed: 0, warning: 1, ok: 2, skipped: 3 };

const POINTS = { failed: 10, warning: 3 } as const;
const CRITICAL_POINTS = 25;

const BROUGHT_BACK = 'steward incidents says what is wrong and what was tried.';
const FIXES: Readonly<Record<HealthItem['group'], string>> = {
  docker: BROUGHT_BACK,
  core: BROUGHT_BACK,
  api: BROUGHT_BACK,
  database: BROUGHT_BACK,
  agents: BROUGHT_BACK,
  models: 'Pull a model on that server, or see steward incidents for why it does not answer.',
  services: BROUGHT_BACK,
  resources:
    'steward run free-disk-space --dry-run and steward run relieve-memory --dry-run show what may be given back.',
  logs: 'Have the program that writes it rotate it.',
  certificates: 'Renew it where it was issued, and have what serves it load it again.',
};

/** 100 less what each failed or doubtful item takes; what is critical takes more. */
function scoreOf(items: readonly HealthItem[]): Pick<HealthFindings, 'score' | 'deductions' | 'failed' | 'warnings'> {
  const deductions = items.flatMap(({ state, critical, name, group, message }) => {
    if (state !== 'failed' && state !== 'warning') return [];
    const points = state === 'failed' && critical ? CRITICAL_POINTS : POINTS[state];
    return [
      {
        points,
        reason: `${group}: ${critical ? 'critical ' : ''}${name}: ${message}`.slice(0, 300),
        fix: FIXES[group],
      },
    ];
  });
  return {
    ...scored(deductions),
    failed: items.filter(({ state }) => state === 'failed').length,
    warnings: items.filter(({ state }) => state === 'warning').length,
  };
}
