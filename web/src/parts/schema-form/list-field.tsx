import { Button, Fieldset, MultiSelect, Stack, TagsInput, Text } from '@mantine/core';
import { useState } from 'react';
import { Field, type FieldProps } from './fields.tsx';
import { Wrong } from './object-field.tsx';
import { fresh } from './fresh.ts';
import { OFFERING, OfferLine } from './offering.tsx';
import { useField } from './plain-fields.tsx';
import { at } from './problems.ts';
import { emptyOf, kindOf, withoutNothing } from './schema.ts';
import { useNames } from './use-names.ts';
import { useForm } from './use-schema-form.ts';

/** Texts as words in one field, what has several fields one below the other. */
export function ListField(props: FieldProps) {
  const items = withoutNothing(props.schema.items ?? {});
  const kind = kindOf(items);
  if (kind === 'text') return <Words {...props} named={items['x-names']} />;
  if (kind === 'choice' && items.enum?.every((each) => typeof each === 'string'))
    return <Choices {...props} of={items.enum} />;
  return <Items {...props} />;
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function Words({ named, ...props }: FieldProps & { readonly named: string | undefined }) {
  const { value, set, schema } = props;
  const offers = useNames(named);
  const { name: _name, ...field } = useField(props);
  const words = listOf(value).map(String);
  return (
    <TagsInput
      {...field}
      {...OFFERING}
      value={words}
      data={offers.map(({ name }) => name)}
      renderOption={({ option }) => <OfferLine offers={offers} name={option.value} />}
      placeholder={words.length === 0 && Array.isArray(schema.default) ? schema.default.join(', ') : undefined}
      onChange={(next) => set(next.length === 0 ? undefined : next)}
      splitChars={[',']}
    />
  );
}

function Choices({ of, ...props }: FieldProps & { readonly of: readonly unknown[] }) {
  const { value, set } = props;
  const { name: _name, ...field } = useField(props);
  return (
    <MultiSelect
      {...field}
      {...OFFERING}
      value={listOf(value).map(String)}
      data={of.map(String)}
      onChange={(next) => set(next.length === 0 ? undefined : next)}
    />
  );
}

function Items({ schema, value, set, path, label, required }: FieldProps) {
  const { problemAt } = useForm();
  const items = listOf(value);
  const [keys, setKeys] = useState<readonly number[]>(() => [...items.keys()]);
  const change = (next: readonly unknown[]): void => set(next.length === 0 && !required ? undefined : next);

  function add(): void {
    setKeys([...keys, fresh(keys)]);
    change([...items, emptyOf(schema.items ?? {})]);
  }
  function remove(index: number): void {
    setKeys(keys.toSpliced(index, 1));
    change(items.toSpliced(index, 1));
  }
  return (
    <Fieldset legend={label}>
      <Stack>
        {schema.description !== undefined && (
          <Text size="sm" c="dimmed">
            {schema.description}
          </Text>
        )}
        {items.map((item, index) => (
          <Stack key={keys[index]} gap={4}>
            <Field
              schema={schema.items ?? {}}
              value={item}
              set={(next) => change(items.with(index, next))}
              path={at(path, index)}
              label={`${label} ${index + 1}`}
              required
            />
            <div>
              <Button variant="default" size="compact-xs" onClick={() => remove(index)}>
                Remove {index + 1}
              </Button>
            </div>
          </Stack>
        ))}
        <Wrong message={problemAt(path)} />
        <div>
          <Button variant="default" size="xs" onClick={add}>
            Add one
          </Button>
        </div>
      </Stack>
    </Fieldset>
  );
}
