import type { Command } from 'commander';
import { Option } from 'commander';
import { StewardError } from '../../core/errors.ts';
import { fromTexts, type JsonSchema, kindsOf } from '../json-schema.ts';

/** Options that every command has; a member of an input that is called so can be given by --input only. */
export const COMMON = new Set([
  'json',
  'output',
  'url',
  'token',
  'input',
  'wait',
  'dryRun',
  'reason',
  'planToken',
  'idempotencyKey',
  'node',
  'label',
  'help',
  'version',
]);

const TEXTS_LISTED = 12;

/** Gives the command the members of the input: the positional ones as arguments, the rest as options. Returns how to read them back. */
export function addInput(
  command: Command,
  schema: JsonSchema,
  positional: readonly string[] = [],
  reserved: ReadonlySet<string> = COMMON,
) {
  const members = Object.entries(schema.properties ?? {});
  const required = new Set(schema.required ?? []);
  for (const name of positional) {
    const wanted = required.has(name);
    command.argument(wanted ? `<${name}>` : `[${name}]`, schema.properties?.[name]?.description ?? '');
  }
  // A secret on a command line is one that every user of the machine can read.
  const asOptions = members.filter(
    ([name, member]) => !positional.includes(name) && !reserved.has(name) && member['writeOnly'] !== true,
  );
  for (const [name, member] of asOptions) command.addOption(optionOf(name, member, required.has(name)));

  return (values: readonly unknown[], options: Readonly<Record<string, unknown>>): Record<string, unknown> => {
    const read: Record<string, unknown> = {};
    for (const [index, name] of positional.entries()) {
      const text = values[index];
      if (typeof text === 'string') read[name] = fromTexts([text], schema.properties?.[name] ?? {});
    }
    for (const [name, member] of asOptions) {
      const value = options[attributeOf(name)];
      if (typeof value === 'boolean') read[name] = value;
      else if (Array.isArray(value)) read[name] = fromTexts(value as string[], member);
    }
    return read;
  };
}

function optionOf(name: string, schema: JsonSchema, required: boolean): Option {
  const flag = `--${kebab(name)}`;
  const kinds = kindsOf(schema);
  const about = [
    schema.description,
    required ? '(required)' : undefined,
    schema.default === undefined ? undefined : `(default: ${shown(schema.default)})`,
  ]
    .filter(Boolean)
    .join(' ');
  // A text that says yes or no counts as one, too; as an option it is a flag that may carry its value.
  if (kinds.has('boolean') && [...kinds].every((kind) => kind === 'boolean' || kind === 'string')) {
    return schema.default === true
      ? new Option(`--no-${kebab(name)}`, `Turns this off: ${about}`)
      : new Option(`${flag} [true|false]`, about).argParser<string[]>((text) => [text]);
  }
  const option = new Option(
    `${flag} <${schema.enum && schema.enum.length <= TEXTS_LISTED ? schema.enum.join('|') : ([...kinds][0] ?? 'value')}>`,
    about,
  );
  // One option for a list and for a single value: what was given twice for a single one is then refused with its name.
  option.argParser<string[]>((text, before) => [...(before ?? []), text]);
  return option;
}

/** `--input room=hall --input times=2`, or the whole input as JSON. */
export function parseInputs(texts: readonly string[], schema: JsonSchema): Record<string, unknown> {
  const whole: Record<string, unknown> = {};
  const pairs = new Map<string, string[]>();
  for (const text of texts) {
    if (text.trimStart().startsWith('{')) Object.assign(whole, jsonObject(text));
    else {
      const at = text.indexOf('=');
      if (at <= 0)
        throw new StewardError('INPUT_INVALID', `--input ${text}: expected name=value or a JSON object.`, {
          hint: `Members: ${Object.keys(schema.properties ?? {}).join(', ') || 'none'}.`,
        });
      pairs.set(text.slice(0, at), [...(pairs.get(text.slice(0, at)) ?? []), text.slice(at + 1)]);
    }
  }
  for (const [name, values] of pairs) whole[name] = fromTexts(values, schema.properties?.[name] ?? {});
  return whole;
}

function jsonObject(text: string): object {
  try {
    return JSON.parse(text) as object;
  } catch (cause) {
    throw new StewardError('INPUT_INVALID', `--input is not JSON: ${(cause as Error).message}`, {
      hint: 'Put it in single quotes: --input \'{"name": "value"}\'',
      cause,
    });
  }
}

function kebab(name: string): string {
  return name
    .replaceAll('_', '-')
    .replaceAll(/([a-z\d])([A-Z])/g, '$1-$2')
    .toLowerCase();
}

/** Where commander keeps the value of an option. */
function attributeOf(name: string): string {
  return kebab(name).replaceAll(/-([a-z\d])/g, (_all, letter: string) => letter.toUpperCase());
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
