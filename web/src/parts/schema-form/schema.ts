/** JSON Schema, as far as the inputs of Steward use it. References are resolved by the server. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly propertyNames?: Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  /** Used and never kept: a password. */
  readonly writeOnly?: boolean;
  /** What it is the name of, so that what exists is offered. */
  readonly 'x-names'?: string;
}

/** What was typed where JSON is expected, and is none. */
export class NotJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Kind =
  | 'text'
  | 'instant'
  | 'number'
  | 'boolean'
  | 'choice'
  | 'constant'
  | 'list'
  | 'object'
  | 'map'
  | 'union'
  | 'json';

export function kindOf(schema: Schema): Kind {
  if (schema.const !== undefined) return 'constant';
  if (schema.enum) return schema.enum.length === 1 ? 'constant' : 'choice';
  if (branchesOf(schema).length > 1) return 'union';
  const type = typeOf(schema);
  if (type === 'string') return schema.format === 'date-time' ? 'instant' : 'text';
  if (type === 'number' || type === 'integer') return 'number';
  if (type === 'boolean') return 'boolean';
  if (type === 'array') return 'list';
  if (type !== 'object') return 'json';
  if (schema.properties) return 'object';
  return typeof schema.additionalProperties === 'object' && isSaid(schema.additionalProperties) ? 'map' : 'json';
}

export function typeOf({ type }: Schema): string | undefined {
  return [type ?? []].flat().find((each) => each !== 'null');
}

const isSaid = (schema: Schema): boolean => Object.keys(schema).some((keyword) => keyword !== 'description');

/** What it may be instead, choices within choices laid flat; nothing is no choice, it is left out. */
export function branchesOf(schema: Schema): readonly Schema[] {
  return (schema.anyOf ?? schema.oneOf ?? []).flatMap((branch) =>
    branch.type === 'null' ? [] : branch.anyOf || branch.oneOf ? branchesOf(branch) : [branch],
  );
}

/** The schema itself; where it is one thing or nothing, that thing. */
export function withoutNothing(schema: Schema): Schema {
  const branches = branchesOf(schema);
  if (branches.length !== 1) return schema;
  const { anyOf: _any, oneOf: _one, ...around } = schema;
  return { ...branches[0], ...around };
}

/** What a form for it begins with: only what has to be there. Defaults are left to the server. */
export function emptyOf(given: Schema): unknown {
  const schema = withoutNothing(given);
  const kind = kindOf(schema);
  if (kind === 'constant') return schema.const ?? schema.enum?.[0];
  if (kind === 'object')
    return Object.fromEntries(
      (schema.required ?? [])
        .map((name) => [name, emptyOf(schema.properties?.[name] ?? {})] as const)
        .filter(([, value]) => value !== undefined),
    );
  if (kind === 'list' && schema.minItems && kindOf(schema.items ?? {}) === 'object')
    return [emptyOf(schema.items ?? {})];
  if (schema.default !== undefined) return undefined;
  if (kind === 'list') return [];
  return kind === 'map' ? {} : undefined;
}

/** `graceSeconds`, `max_age`: as a person says it. */
export function wordsOfName(name: string): string {
  const words = name
    .replaceAll(/[_-]+/g, ' ')
    .replaceAll(/([a-z\d])([A-Z])/g, (_all, before: string, letter: string) => `${before} ${letter.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What one of several possibilities is called. */
export function nameOfBranch(schema: Schema): string {
  if (schema.title !== undefined) return schema.title;
  if (schema.const !== undefined) return String(schema.const);
  const kind = kindOf(schema);
  if (kind === 'object') return (schema.required ?? Object.keys(schema.properties ?? {})).map(wordsOfName).join(', ');
  return (
    { text: 'Text', instant: 'Date and time', boolean: 'Yes or no', list: 'List', json: 'JSON' }[kind as string] ??
    wordsOfName(kind)
  );
}

/** A default as one reads it. */
export function shown(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(shown).join(', ');
  if (value !== null && typeof value === 'object')
    return Object.keys(value).length === 0 ? 'none' : JSON.stringify(value);
  return String(value);
}
