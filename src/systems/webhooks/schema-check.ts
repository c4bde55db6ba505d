import type { Check, SchemaText } from '../../../edge/handlers/webhooks/types.ts';

/** Loaded where a type has a schema: nobody else waits for it. Throws where it is none. */
export async function checkOf(schema: SchemaText): Promise<Check> {
  const [{ Ajv2020 }, { default: formats }] = await Promise.all([import('ajv/dist/2020.js'), import('ajv-formats')]);
  const ajv = new Ajv2020({ strict: false, ownProperties: true });
  formats.default(ajv);
  const validate = ajv.compile(withoutDraft(schema));
  return (data) => {
    if (validate(data)) return undefined;
    const [first] = validate.errors ?? [];
    return `${first?.instancePath === '' ? 'the body' : (first?.instancePath ?? '')} ${first?.message ?? 'does not fit'}.`;
  };
}

/** Whatever older draft it names: what they have in common is what schemas of webhooks are written in. */
function withoutDraft(schema: SchemaText): SchemaText {
  if (typeof schema === 'boolean') return schema;
  const { $schema: _draft, ...rest } = schema;
  return rest;
}
