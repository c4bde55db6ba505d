import { ReportPeriod } from '../core/report-period.ts';
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
      context: { period: 'daily' },
    },
    {
      kind: 'schedule',
      schedule: { cron: '0 8 * * 0', catchUp: 'latest', overlap: 'skip', jitter: '60s' },
      context: { period: 'weekly' },
    },
  ],
  steps: [
    {
      id: 'report',
      title: 'Write the report',
      automation: 'report-performance',
      everyNode: true,
      input({ context }) {
        const { data: period } = ReportPeriod.safeParse(context['period']);
        return period === undefined ? {} : { period };
      },
    },
  ],
});
