import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'security_scanner',
  version: 1,
  title: 'Security scan',
  summary: 'Looks for known vulnerabilities, leaked secrets and weak settings; on Saturdays in everything.',
  priority: 'P1',
  ifMissed: 'a hole that is known stays open',
  origin: 'system',
  triggers: [
    {
      kind: 'schedule',
      schedule: { cron: '0 1 * * *', catchUp: 'latest', overlap: 'skip', jitter: '60s' },
      context: { scan: 'daily' },
    },
    {
      kind: 'schedule',
      schedule: { cron: '0 23 * * 6', catchUp: 'latest', overlap: 'skip', jitter: '60s' },
      context: { scan: 'full' },
    },
  ],
  steps: [{ id: 'scan', title: 'Scan', automation: 'scan-security', everyNode: true }],
});
