import { z } from 'zod';
import { type AnyAutomation, RUN_LIMITS } from '../../src/core/automation.ts';
import type { Catalog } from '../../src/core/catalog.ts';
import { memberRows, type Schema, table } from './markdown.ts';

/** A page an automation, the folder's README as its body, and the page that lists them. */
export function automationPages(catalog: Catalog, readme: (name: string) => string): [string, string][] {
  const all = [...catalog.automations.values()];
  const list = table(
    ['automation', 'effect', 'priority', 'what it does', 'if it never runs'],
    all.map(({ name, effect, priority, summary, ifMissed }) => [
      `[${name}](automations/${name}.md)`,
      effect,
      priority,
      summary,
      ifMissed,
    ]),
  );
  return [
    ['automations.md', `# Automations\n\n${list}`],
    ...all.map((automation): [string, string] => [
      `automations/${automation.name}.md`,
      page(automation, readme(automation.name)),
    ]),
  ];
}

function page(automation: AnyAutomation, body: string): string {
  const { name, title, summary, effect, category, priority, load, needs, safeguards, examples, mcpName } = automation;
  const input = z.toJSONSchema(automation.input as z.ZodType, { io: 'input' }) as Schema;
  const { required: _required, ...output } = z.toJSONSchema(automation.output as z.ZodType, {
    io: 'output',
    unrepresentable: 'any',
  }) as Schema;
  return [
    `# ${title}`,
    '',
    summary,
    '',
    table(
      ['', ''],
      [
        ['command', `\`steward run ${name}\``],
        ['address', `\`POST /api/v1/automations/${name}/runs\``],
        ...(mcpName === undefined ? [] : [['for assistants', `\`${mcpName}\``]]),
        ['effect', effect],
        ['category, priority', `${category}, ${priority}`],
        ['load', load],
        ['needs', needs.join(', ')],
        [
          'limits',
          `${RUN_LIMITS[safeguards.limit ?? 'default']} a run, ${safeguards.timeout} a step, ${safeguards.retry.attempts} tries`,
        ],
      ],
    ),
    '',
    body.trim(),
    '',
    '## Input',
    '',
    memberRows(input).length > 0 ? table(['member', 'value', 'default', 'meaning'], memberRows(input)) : 'None.',
    '',
    '## Output',
    '',
    table(
      ['member', 'value', 'meaning'],
      memberRows(output).map(([member = '', value = '', , meaning = '']) => [member, value, meaning]),
    ),
    '',
    '## Examples',
    '',
    ...examples.flatMap((example: { title: string; input: unknown }) => [
      `${example.title}:`,
      '',
      '```',
      `steward run ${name} --input '${JSON.stringify(example.input)}'`,
      '```',
      '',
    ]),
  ].join('\n');
}
