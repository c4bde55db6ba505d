/** A table; what would break out of a cell is escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function code(value: unknown): string {
  return value === undefined ? '' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

export interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

/** What a value may be, in few words. */
export function typeText(schema: Schema): string {
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum) return schema.enum.map(code).join(' or ');
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return [...new Set(options.map(typeText))].join(' or ');
  if (schema.type === 'array') return `list of ${schema.items ? typeText(schema.items) : 'anything'}`;
  if (schema.type === 'object') return schema.properties ? `{${Object.keys(schema.properties).join(', ')}}` : 'map';
  if (
    schema.type === 'integer' &&
    schema.minimum !== undefined &&
    schema.maximum !== undefined &&
    schema.maximum < Number.MAX_SAFE_INTEGER
  ) {
    return `${schema.minimum} to ${schema.maximum}`;
  }
  return [schema.type ?? 'anything'].flat().join(' or ');
}

/** One row a member, those of nested objects under their dotted path. */
export function memberRows(schema: Schema, prefix = ''): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const path = `${prefix}${name}`;
    const list =
      member.type === 'array' && (member.items?.properties ?? member.items?.oneOf ?? member.items?.anyOf) !== undefined;
    const own = [
      code(path),
      list ? 'list' : typeText(member),
      code(member.default),
      `${member.description ?? ''}${schema.required?.includes(name) ? ' Required.' : ''}`,
    ];
    if (member.type === 'object' && member.properties)
      return [[code(path), '', '', member.description ?? ''], ...memberRows(member, `${path}.`)];
    if (!list) return [own];
    const kinds = member.items?.oneOf ?? member.items?.anyOf ?? (member.items ? [member.items] : []);
    return [own, ...kinds.flatMap((kind) => memberRows(kind, `${path}[].${kindName(kind)}`))];
  });
}

function kindName(schema: Schema): string {
  const kind = schema.properties?.['kind']?.const;
  return typeof kind === 'string' ? `(${kind}).` : '';
}
