import { z } from 'zod';
import { type AnyOperation, defineQuery, NoInput } from '../core/operation.ts';
import { Problem } from '../core/error-body.ts';
import { redactConfig } from './redact-config.ts';
import type { ConfigService } from './watch.ts';

export function configOperations(service: Pick<ConfigService, 'current' | 'rejected'>): AnyOperation[] {
  return [
    defineQuery({
      name: 'config',
      title: 'Configuration',
      summary: 'Shows the configuration in force, with where each value comes from.',
      permission: 'read',
      cli: ['config', 'show'],
      input: NoInput,
      output: z.object({
        file: z.string().describe('The file that is read.'),
        source: z
          .enum(['file', 'defaults', 'last-good'])
          .describe('last-good: the file was refused at start, and what it said before is in force.'),
        config: z.json().describe('What is in force, without secrets.'),
        origins: z
          .record(z.string(), z.string())
          .describe('For members that are not defaults: the line of the file or the variable that set them.'),
        problems: z.array(Problem).describe('Why the file as it is now is refused; empty while it is in force.'),
      }),
      async handle() {
        const { file, source, config, origins } = service.current();
        return {
          file,
          source,
          config: redactConfig(config),
          origins: Object.fromEntries(origins),
          problems: [...(service.rejected()?.problems ?? [])],
        };
      },
    }),
  ];
}
