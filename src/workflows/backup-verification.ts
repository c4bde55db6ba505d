import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'backup_verification',
  version: 1,
  title: 'Verify backups',
  summary: 'Verifies the copies every day, restores all databases on Mondays and everything on the first of a month.',
  priority: 'P0',
  ifMissed: 'a backup that does not restore is found out when it is needed',
  origin: 'system',
  triggers: [
    { kind: 'schedule', schedule: { cron: '0 5 * * *', catchUp: 'latest', overlap: 'skip' } },
    {
      kind: 'schedule',
      schedule: { cron: '30 5 * * 0', catchUp: 'latest', overlap: 'skip' },
      context: { depth: 'weekly' },
    },
    {
      kind: 'schedule',
      schedule: { cron: '30 5 * * 1', catchUp: 'latest', overlap: 'queue' },
      context: { drill: 'databases' },
    },
    {
      kind: 'schedule',
      schedule: { cron: '30 6 1 * *', catchUp: 'latest', overlap: 'queue' },
      context: { drill: 'full-stack' },
    },
  ],
  steps: [
    {
      id: 'verify',
      title: 'Verify the copies and restore one of them',
      automation: 'verify-backups',
      when: [
        { from: 'context.drill', exists: false },
        { from: 'context.depth', exists: false },
      ],
    },
    {
      id: 'weekly',
      title: 'Read every copy again and restore one of them',
      automation: 'verify-backups',
      input: { read: 'all' },
      when: [{ from: 'context.depth', equals: 'weekly' }],
    },
    {
      id: 'databases',
      title: 'Restore every database beside the running ones',
      automation: 'verify-backups',
      input: { restore: 'databases' },
      when: [{ from: 'context.drill', equals: 'databases' }],
    },
    {
      id: 'full-stack',
      title: 'Restore everything into an empty place',
      automation: 'verify-backups',
      input: { read: 'all', restore: 'all' },
      when: [{ from: 'context.drill', equals: 'full-stack' }],
    },
  ],
});
