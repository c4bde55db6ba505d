import { Button, Fieldset, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { Field, type FieldProps } from './fields.tsx';
import { Wrong } from './object-field.tsx';
import { at, isObject } from './problems.ts';
import { emptyOf } from './schema.ts';
import { fresh } from './fresh.ts';
import { useForm } from './use-schema-form.ts';

interface Entry {
  readonly id: number;
  readonly name: string;
  readonly value: unknown;
}

/** Members whose names are free, such as headers. */
export function MapField({ schema, value, set, path, label }: FieldProps) {
  const { problemAt, leave } = useForm();
  const [entries, setEntries] = useState<readonly Entry[]>(() =>
    Object.entries(isObject(value) ? value : {}).map(([name, member], id) => ({ id, name, value: member })),
  );
  const of = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {};

  function change(next: readonly Entry[]): void {
    setEntries(next);
    const named = next.filter(({ name }) => name !== '');
    set(named.length === 0 ? undefined : Object.fromEntries(named.map((entry) => [entry.name, entry.value])));
  }
  const isTwice = (entry: Entry): boolean =>
    entries.some(({ id, name }) => id < entry.id && name === entry.name && name !== '');

  return (
    <Fieldset legend={label}>
      <Stack>
        {schema.description !== undefined && (
          <Text size="sm" c="dimmed">
            {schema.description}
          </Text>
        )}
        {entries.map((entry) => (
          <Stack key={entry.id} gap="xs">
            <TextInput
              label="Name"
              value={entry.name}
              onChange={({ currentTarget }) =>
                change(entries.map((each) => (each.id === entry.id ? { ...each, name: currentTarget.value } : each)))
              }
              onBlur={() => leave(at(path, entry.name))}
              error={isTwice(entry) ? 'This name is there twice; the last one counts.' : undefined}
              autoComplete="off"
              spellCheck={false}
            />
            <Field
              schema={of}
              value={entry.value}
              set={(next) => change(entries.map((each) => (each.id === entry.id ? { ...each, value: next } : each)))}
              path={at(path, entry.name)}
              label={entry.name === '' ? 'Value' : `Value of ${entry.name}`}
              required
            />
            <div>
              <Button
                variant="default"
                size="compact-xs"
                onClick={() => change(entries.filter(({ id }) => id !== entry.id))}
              >
                Remove {entry.name}
              </Button>
            </div>
          </Stack>
        ))}
        <Wrong message={problemAt(path)} />
        <div>
          <Button
            variant="default"
            size="xs"
            onClick={() =>
              change([...entries, { id: fresh(entries.map(({ id }) => id)), name: '', value: emptyOf(of) }])
            }
          >
            Add one
          </Button>
        </div>
      </Stack>
    </Fieldset>
  );
}
