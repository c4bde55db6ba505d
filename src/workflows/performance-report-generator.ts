import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'performance_report_generator',
  version: 1,
  title: 'Performance report',
  summary: 'Writes down what was slow and what it cost: of the day each morning, of the week on Sundays.',
  priority: 'P2',
  ifMissed: 'nobody sees what gets slower',
  origin: 'system',
  triggers: [
    {
      kind: 'schedule',
      schedule: { cron: '0 7 * * *', catchUp: 'latest', overlap: 'skip', jitter: '60s' },
      context: { period: 'day' },
    },
    {
      kind: 'schedule',
      schedule: { cron: '0 8 * * 0', catchUp: 'latest', overlap: 'skip', jitter: '60s' },
      context: { period: 'week' },
    },
  ],
  steps: [{ id: 'report', title: 'Write the report', automation: 'report-performance' }],
});
