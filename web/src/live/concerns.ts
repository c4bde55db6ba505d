import type { AskPath } from '../api/client.ts';

/** Which questions have another answer after an event, by how its type begins. The overview has after any. */
const CONCERNS: readonly (readonly [prefix: string, paths: readonly AskPath[]])[] = [
  [
    'service.',
    [
      '/api/v1/services',
      '/api/v1/services/{id}',
      '/api/v1/service-health',
      '/api/v1/service-history',
      '/api/v1/topology',
    ],
  ],
  ['check.', ['/api/v1/services/{id}', '/api/v1/service-health', '/api/v1/service-history']],
  ['resource.', ['/api/v1/services', '/api/v1/services/{id}', '/api/v1/topology']],
  ['discovery.', ['/api/v1/services', '/api/v1/topology']],
  ['incident.', ['/api/v1/incidents', '/api/v1/incidents/{id}']],
  ['healing.', ['/api/v1/incidents/{id}', '/api/v1/remediations', '/api/v1/healing']],
  ['alert.', ['/api/v1/channels', '/api/v1/alerts', '/api/v1/alert-budget', '/api/v1/incidents/{id}']],
  [
    'run.',
    [
      '/api/v1/runs',
      '/api/v1/runs/{id}',
      '/api/v1/backup-sandboxes',
      '/api/v1/workflow-executions/{id}',
      '/api/v1/workflow-log',
      '/api/v1/workflow-questions',
    ],
  ],
  [
    'workflow.',
    [
      '/api/v1/workflows',
      '/api/v1/workflow-executions',
      '/api/v1/workflow-executions/{id}',
      '/api/v1/workflow-questions',
      '/api/v1/workflow-log',
      '/api/v1/schedules',
    ],
  ],
  ['schedule.', ['/api/v1/schedules', '/api/v1/schedule-reconciliations']],
  ['backup.', ['/api/v1/backups', '/api/v1/backup-history', '/api/v1/backup-get', '/api/v1/backup-sandboxes']],
  ['database.', ['/api/v1/databases', '/api/v1/database-get', '/api/v1/database-advice', '/api/v1/database-settings']],
  ['heartbeat.', ['/api/v1/heartbeats', '/api/v1/heartbeat-get']],
  ['maintenance.', ['/api/v1/maintenance', '/api/v1/service-health']],
  ['node.', ['/api/v1/registry-nodes']],
  ['mode.', ['/api/v1/mode']],
  ['report.', ['/api/v1/health-reports', '/api/v1/performance-reports', '/api/v1/weekly-summaries']],
  ['metrics.', ['/api/v1/metrics']],
  ['webhook.', ['/api/v1/webhooks', '/api/v1/webhook-get', '/api/v1/webhook-receiver']],
  ['endpoint.', ['/api/v1/webhook-endpoints', '/api/v1/webhook-deliveries']],
  [
    'config.',
    [
      '/api/v1/config',
      '/api/v1/changes',
      '/api/v1/channels',
      '/api/v1/alert-route',
      '/api/v1/schedules',
      '/api/v1/policy',
      '/api/v1/backups',
    ],
  ],
];

export function concernsOf(type: string): readonly AskPath[] {
  return ['/api/v1/overview', ...(CONCERNS.find(([prefix]) => type.startsWith(prefix))?.[1] ?? [])];
}
