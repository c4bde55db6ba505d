import type { Catalog } from '../../src/core/catalog.ts';
import { allSteps } from '../../src/core/workflow.ts';
import { code, table } from './markdown.ts';

export function workflowsPage(catalog: Catalog): string {
  return [
    '# Workflows',
    '',
    'Chains of automations. A step whose automation is not part of this version is skipped, and its execution says so.',
    '',
    ...[...catalog.workflows.values()].flatMap(
      ({ name, summary, priority, ifMissed, triggers, steps, onError = [] }) => [
        `## ${name}`,
        '',
        `${summary} ${priority}; if missed: ${ifMissed}.`,
        '',
        ...triggers.map((trigger) =>
          trigger.kind === 'schedule'
            ? `- by the clock: ${code(trigger.schedule.cron ?? trigger.schedule.every)} ${trigger.schedule.zone ?? 'UTC'}`
            : `- on the event ${code(trigger.event)}`,
        ),
        '',
        table(
          ['step', 'automation', 'in this version'],
          allSteps({ steps, onError }).map(({ step: { title, automation = 'waits' } }) => [
            title,
            automation,
            automation === 'waits' || catalog.automations.has(automation) ? 'yes' : 'skipped',
          ]),
        ),
        '',
      ],
    ),
  ].join('\n');
}
