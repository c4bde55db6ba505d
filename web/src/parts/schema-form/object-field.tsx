import { Button, Fieldset, Stack, Text } from '@mantine/core';
import { Field, type FieldProps } from './fields.tsx';
import { at, isObject } from './problems.ts';
import { emptyOf, wordsOfName } from './schema.ts';
import { useForm } from './use-schema-form.ts';

/** The members, the needed ones first. What may be left out as a whole is there once it is asked for. */
export function ObjectField({ schema, value, set, path, label, required }: FieldProps) {
  const { problemAt } = useForm();
  const members = Object.entries(schema.properties ?? {});
  const needed = new Set(schema.required ?? []);
  const held = isObject(value) ? value : {};

  if (!required && value === undefined)
    return (
      <div>
        <Text size="sm" c="dimmed" mb={4}>
          {schema.description}
        </Text>
        <Button variant="default" size="xs" onClick={() => set(emptyOf(schema) ?? {})}>
          Add: {label}
        </Button>
        <Wrong message={problemAt(path, 'within')} />
      </div>
    );

  const fields = members
    .toSorted(([one], [other]) => Number(needed.has(other)) - Number(needed.has(one)))
    .map(([name, member]) => (
      <Field
        key={name}
        schema={member}
        value={held[name]}
        set={(next) => set(withMember(held, name, next))}
        path={at(path, name)}
        label={wordsOfName(name)}
        required={needed.has(name) && member.default === undefined}
      />
    ));
  if (path === '') return members.length === 0 ? <Text c="dimmed">It takes no input.</Text> : fields;
  return (
    <Fieldset legend={label}>
      <Stack>
        {schema.description !== undefined && (
          <Text size="sm" c="dimmed">
            {schema.description}
          </Text>
        )}
        {fields}
        <Wrong message={problemAt(path)} />
        {!required && (
          <div>
            <Button variant="default" size="xs" onClick={() => set(undefined)}>
              Leave out: {label}
            </Button>
          </div>
        )}
      </Stack>
    </Fieldset>
  );
}

export function withMember(
  held: Readonly<Record<string, unknown>>,
  name: string,
  value: unknown,
): Readonly<Record<string, unknown>> {
  const { [name]: _before, ...others } = held;
  return value === undefined ? others : { ...held, [name]: value };
}

export function Wrong({ message }: { readonly message: string | undefined }) {
  return message === undefined ? undefined : (
    <Text size="sm" c="var(--mantine-color-error)" role="alert" mt={4}>
      {message}
    </Text>
  );
}
