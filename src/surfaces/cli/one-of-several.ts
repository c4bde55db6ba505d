import type { Command } from 'commander';
import { StewardError } from '../../core/errors.ts';
import type { JsonSchema } from '../json-schema.ts';
import type { Manifest } from '../manifest.ts';
import { plain } from './terminal.ts';

type Automation = Manifest['automations'][number];

/** What a command runs: where several have its words, its options say which is meant. */
export interface Meant {
  /** What options there are. */
  readonly input: JsonSchema;
  /** Which one, and what of the input is its own. INPUT_INVALID for what only another takes. */
  of(
    command: Command,
    input: Record<string, unknown>,
  ): { readonly name: string; readonly input: Record<string, unknown> };
}

export function always({ name, input }: Pick<Automation, 'name' | 'input'>): Meant {
  return { input, of: (_, given) => ({ name, input: given }) };
}

/** Adds the options that choose: `--to sandbox`. Without one it is the automation that needs none. */
export function oneOfSeveral(command: Command, without: Automation, all: readonly Automation[]): Meant {
  const others = all.flatMap(({ when, ...each }) => (when ? [{ ...each, when }] : []));
  if (others.length === 0) return always(without);
  for (const { when, summary } of others) command.option(`--${when.option} <${when.is}>`, plain(summary));
  const properties: Record<string, JsonSchema> = Object.assign({}, ...all.map(({ input }) => input.properties));
  return {
    input: { ...without.input, properties: { ...properties, ...without.input.properties } },
    of(chosen, input) {
      const flags = chosen.opts<Record<string, unknown>>();
      const asked = others.filter(({ when }) => flags[when.option] !== undefined);
      const found =
        asked.find(({ when }) => flags[when.option] === when.is) ?? (asked.length > 0 ? undefined : without);
      if (!found)
        throw new StewardError('INPUT_INVALID', `Expected ${asked.map(spoken).join(' or ')}.`, {
          hint: `Without it this is ${without.name}.`,
        });
      const own = found.input.properties ?? {};
      const stray = Object.keys(input).find((name) => !(name in own) && chosen.getOptionValueSource(name) === 'cli');
      if (stray !== undefined)
        throw new StewardError('INPUT_INVALID', `${found.name} takes no --${stray}.`, {
          hint: `It is an option of ${all
            .filter((each) => stray in (each.input.properties ?? {}))
            .map(spoken)
            .join(', ')}.`,
        });
      const mine = Object.entries(input).filter(([name]) => name in own || !(name in properties));
      return { name: found.name, input: Object.fromEntries(mine) };
    },
  };
}

function spoken({ name, when }: Pick<Automation, 'name' | 'when'>): string {
  return when ? `--${when.option} ${when.is}` : name;
}
