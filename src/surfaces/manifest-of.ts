import type { Catalog } from '../core/catalog.ts';
import { jsonSchemaOf } from './json-schema-of.ts';
import type { Manifest } from './manifest.ts';

export function manifestOf(catalog: Catalog): Manifest {
  return {
    operations: [...catalog.operations.values()].map((operation) => {
      const { name, kind, summary, cli, cliArguments, cliFile, columns, input, examples } = operation;
      return {
        name,
        kind,
        summary,
        words: cli ?? [name],
        arguments: cliArguments ?? [],
        ...(columns === undefined ? {} : { columns }),
        ...(cliFile === undefined ? {} : { file: cliFile }),
        input: jsonSchemaOf(input, 'input'),
        ...(operation.kind === 'query' && operation.download && { download: true }),
        examples: examples ?? [],
      };
    }),
    automations: [...catalog.automations.values()].map(({ name, summary, input, cli, cliWhen, cliArguments }) => ({
      name,
      summary,
      input: jsonSchemaOf(input, 'input'),
      ...(cli && { words: cli, arguments: cliArguments ?? [] }),
      ...(cliWhen && { when: cliWhen }),
    })),
    workflows: workflowsOf(catalog),
  };
}

export function workflowsOf({ workflows }: Pick<Catalog, 'workflows'>): NonNullable<Manifest['workflows']> {
  return [...workflows.values()].map(({ name, aliases = [], summary }) => ({ name, aliases, summary }));
}
