import { Stack } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { JsonField } from './json-field.tsx';
import { ListField } from './list-field.tsx';
import { MapField } from './map-field.tsx';
import { ObjectField } from './object-field.tsx';
import { BooleanField, ChoiceField, InstantField, NumberField, TextField } from './plain-fields.tsx';
import { type Kind, kindOf, type Schema, withoutNothing } from './schema.ts';
import { UnionField } from './union-field.tsx';
import { FormContext, type SchemaForm } from './use-schema-form.ts';

export interface FieldProps {
  readonly schema: Schema;
  readonly value: unknown;
  /** `undefined` leaves it out. */
  readonly set: (value: unknown) => void;
  readonly path: string;
  readonly label: string;
  readonly required: boolean;
}

const FIELDS: Readonly<Record<Exclude<Kind, 'constant'>, (props: FieldProps) => React.ReactNode>> = {
  text: TextField,
  instant: InstantField,
  number: NumberField,
  boolean: BooleanField,
  choice: ChoiceField,
  list: ListField,
  object: ObjectField,
  map: MapField,
  union: UnionField,
  json: JsonField,
};

/** The field for whatever the schema wants. */
export function Field({ schema: given, ...props }: FieldProps) {
  const schema = withoutNothing(given);
  const kind = kindOf(schema);
  if (kind === 'constant') return undefined;
  const Of = FIELDS[kind];
  return <Of schema={schema} {...props} />;
}

/** Every member of an input as a field. Knows nothing of what becomes of it. */
export function SchemaFields({ form }: { readonly form: SchemaForm }) {
  const element = useRef<HTMLDivElement>(null);
  const { refusals } = form;
  // Once what is wrong stands there.
  useEffect(() => {
    if (refusals > 0) element.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [refusals]);
  return (
    <FormContext value={form}>
      <Stack gap="md" ref={element} key={form.round}>
        <ObjectField
          schema={form.schema}
          value={form.value}
          set={(next) => form.set((next ?? {}) as Readonly<Record<string, unknown>>)}
          path=""
          label=""
          required
        />
      </Stack>
    </FormContext>
  );
}
