import type { Tool } from '@modelcontextprotocol/server';
import { type Actor, may } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { McpDeps } from './deps.ts';
import { operationTools } from './operation-tools.ts';
import { runTools } from './run-tools.ts';
import { automationSearchTool } from './search-tool.ts';
import { automationRunTool, namedTools } from './start-tools.ts';
import { type McpTool, READING } from './tool.ts';

/** What a client asked for when it connected. */
export interface Choice {
  readonly toolsets: ReadonlySet<string>;
  readonly readOnly: boolean;
}

export interface Toolbox {
  readonly toolsets: readonly string[];
  /** INPUT_INVALID where there is no such toolset. */
  choose(toolsets: string | undefined, readOnly: boolean): Choice;
  list(choice: Choice, actor: Actor): Tool[];
  /** NOT_FOUND and FORBIDDEN say what would have to be otherwise. */
  find(name: string, choice: Choice): McpTool;
}

/** Every tool there is, made once; who sees which is decided with each request. */
export function createToolbox(deps: McpDeps): Toolbox {
  const byName = new Map<string, McpTool>();
  const all = [
    ...namedTools(deps),
    automationSearchTool(deps),
    automationRunTool(deps),
    ...runTools(deps),
    ...operationTools(deps),
  ];
  for (const tool of all) {
    if (byName.has(tool.name)) throw new Error(`two tools want to be called ${tool.name}`);
    byName.set(tool.name, tool);
  }
  const toolsets = [...new Set(all.map(({ toolset }) => toolset))];

  const chosen = ({ toolset }: McpTool, choice: Choice): boolean =>
    choice.toolsets.has(toolset) || choice.toolsets.has('all');

  return {
    toolsets,
    choose(text, readOnly) {
      const names = (text ?? '')
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean);
      const unknown = names.find((name) => name !== 'all' && !toolsets.includes(name));
      if (unknown !== undefined) {
        throw new StewardError('INPUT_INVALID', `There is no toolset ${unknown.slice(0, 100)}.`, {
          hint: `There are: ${toolsets.join(', ')}, and all.`,
        });
      }
      return { toolsets: new Set(names.length > 0 ? names : ['default']), readOnly };
    },
    list(choice, actor) {
      return all
        .filter((tool) => chosen(tool, choice) && !(choice.readOnly && tool.writes))
        .filter(({ permission, about }) => may(actor, permission, about))
        .map((tool) => described(tool, choice));
    },
    find(name, choice) {
      const tool = byName.get(name);
      if (!tool)
        throw new StewardError('NOT_FOUND', `There is no tool ${name.slice(0, 100)}.`, {
          hint: 'See tools/list. What has no tool of its own is run by automation_run; automation_search finds it.',
        });
      if (!chosen(tool, choice))
        throw new StewardError(
          'NOT_FOUND',
          `${name} belongs to the toolset ${tool.toolset}, which was not asked for.`,
          {
            hint: `Connect with --toolsets default,${tool.toolset}, or with ?toolsets=default,${tool.toolset}.`,
          },
        );
      if (choice.readOnly && tool.writes)
        throw new StewardError('FORBIDDEN', `${name} changes something, and this client only reads.`, {
          hint: 'Connect without --read-only, or without ?readonly=1.',
        });
      return tool;
    },
  };
}

function described({ name, title, description, hints, input, output }: McpTool, { readOnly }: Choice): Tool {
  return {
    name,
    title,
    description,
    inputSchema: input(readOnly) as Tool['inputSchema'],
    outputSchema: output(),
    annotations: readOnly ? { ...READING, openWorldHint: hints.openWorldHint } : { ...hints },
  };
}
