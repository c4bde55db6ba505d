/** JSON Schema, as far as surfaces look into it. */
export interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  default?: unknown;
  description?: string;
  format?: string;
  additionalProperties?: boolean | JsonSchema;
  [keyword: string]: unknown;
}

/**
 * A text from an address or a command line as the value that the schema asks for. What does not fit stays as it is:
 * validation then names the field.
 */
export function fromText(text: string, schema: JsonSchema): unknown {
  const kinds = kindsOf(schema);
  if ((kinds.has('number') || kinds.has('integer')) && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text)) return Number(text);
  if (kinds.has('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if ((kinds.has('object') && text.startsWith('{')) || (kinds.has('array') && text.startsWith('['))) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}

/** The texts given for one member: a list where the schema wants one. */
export function fromTexts(texts: readonly string[], schema: JsonSchema): unknown {
  const [first, ...more] = texts;
  if (!kindsOf(schema).has('array'))
    return more.length > 0 ? texts : first === undefined ? undefined : fromText(first, schema);
  if (more.length === 0 && first?.startsWith('[')) return fromText(first, schema);
  const items = schema.items ?? schema.anyOf?.find(({ type }) => type === 'array')?.items ?? {};
  return texts.map((text) => fromText(text, items));
}

/** Every type that the schema lets through; nothing for one that lets everything through. */
export function kindsOf(schema: JsonSchema): ReadonlySet<string> {
  const kinds = new Set<string>();
  for (const kind of [schema.type ?? []].flat()) kinds.add(kind);
  for (const branch of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])])
    for (const kind of kindsOf(branch)) kinds.add(kind);
  return kinds;
}
