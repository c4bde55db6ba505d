import type { Catalog } from '../../src/core/catalog.ts';
import { atMostAgent } from '../../src/surfaces/mcp/http.ts';
import { PROMPTS } from '../../src/surfaces/mcp/prompts.ts';
import { TEMPLATES } from '../../src/surfaces/mcp/resources.ts';
import { createToolbox } from '../../src/surfaces/mcp/toolbox.ts';
import { code, table } from './markdown.ts';

/** What an agent is shown, by toolset. */
export function mcpPage(catalog: Catalog): string {
  const toolbox = createToolbox({ catalog } as Parameters<typeof createToolbox>[0]);
  const agent = atMostAgent({ kind: 'token', id: 'agent', name: 'agent', role: 'agent' });
  const sections = toolbox.toolsets.flatMap((toolset) => {
    const tools = toolbox.list(toolbox.choose(toolset, false), agent);
    if (tools.length === 0) return [];
    const rows = tools.map(({ name, description = '', annotations = {} }) => [
      code(name),
      annotations.readOnlyHint ? 'looks' : annotations.destructiveHint ? 'changes, may destroy' : 'changes',
      description,
    ]);
    return ['', `## ${toolset}`, '', table(['tool', 'effect', 'what it does'], rows)];
  });
  return [
    '# Tools for AI assistants',
    '',
    'Every tool of MCP, by toolset. How to connect, and what an agent may do, is told in [the guide](../guides/mcp.md).',
    ...sections,
    '',
    '## Prompts',
    '',
    table(
      ['prompt', 'arguments', 'what for'],
      PROMPTS.map(({ name, arguments: members = [], description = '' }) => [
        code(name),
        members.map((member) => code(member.name)).join(', '),
        description,
      ]),
    ),
    '',
    '## Resources',
    '',
    table(
      ['address', 'what it is'],
      [
        ...TEMPLATES.map(({ uriTemplate, description = '' }) => [code(uriTemplate), description]),
        [code('steward://status'), 'Whether everything is all right.'],
        [code('steward://incidents'), 'What is wrong now.'],
        [code('steward://waiting'), 'Plans that nobody approved yet.'],
        [code('steward://policy'), 'How assistants work with Steward.'],
        [code('steward://runbook/<name>'), 'How something is healed.'],
      ],
    ),
  ].join('\n');
}
