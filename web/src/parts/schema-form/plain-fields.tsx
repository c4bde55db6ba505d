import { Autocomplete, Checkbox, NativeSelect, PasswordInput, Textarea, TextInput } from '@mantine/core';
import type { FieldProps } from './fields.tsx';
import { OFFERING, OfferLine } from './offering.tsx';
import { type Schema, shown } from './schema.ts';
import { useNames } from './use-names.ts';
import { useForm } from './use-schema-form.ts';

/** Longer texts than this get room for several lines. */
const LONG = 1_000;

/** What every field has: its label, what it is for, what is wrong with it. */
export function useField({
  schema,
  path,
  label,
  required,
}: Pick<FieldProps, 'schema' | 'path' | 'label' | 'required'>) {
  const { problemAt, leave } = useForm();
  return {
    label,
    name: path,
    description: aboutOf(schema),
    withAsterisk: required,
    'aria-required': required,
    error: problemAt(path, 'within'),
    onBlur: () => leave(path),
  };
}

function aboutOf({ description, default: usual, minimum, maximum, type }: Schema): string | undefined {
  const bounds =
    type === 'integer' || type === 'number'
      ? [
          minimum !== undefined && minimum > -1e15 && `from ${minimum}`,
          maximum !== undefined && maximum < 1e15 && `up to ${maximum}`,
        ]
          .filter(Boolean)
          .join(' ')
      : '';
  const said = [bounds, usual !== undefined && type !== 'boolean' && `by default ${shown(usual)}`]
    .filter(Boolean)
    .join(', ');
  return (
    [description, said && `${said.charAt(0).toUpperCase()}${said.slice(1)}.`].filter(Boolean).join(' ') || undefined
  );
}

export function TextField(props: FieldProps) {
  const { schema, value, set } = props;
  const field = useField(props);
  const offers = useNames(schema['x-names']);
  const text = value === undefined ? '' : String(value);
  const type = (typed: string): void => set(typed === '' ? undefined : typed);
  const placeholder = typeof schema.default === 'string' ? schema.default : undefined;
  if (schema.writeOnly)
    return (
      <PasswordInput
        {...field}
        value={text}
        onChange={({ currentTarget }) => type(currentTarget.value)}
        autoComplete="off"
      />
    );
  if (schema['x-names'] !== undefined)
    return (
      <Autocomplete
        {...field}
        {...OFFERING}
        value={text}
        onChange={type}
        data={offers.map(({ name }) => name)}
        renderOption={({ option }) => <OfferLine offers={offers} name={option.value} />}
        autoComplete="off"
      />
    );
  if ((schema.maxLength ?? 0) > LONG && schema.format !== 'uri')
    return (
      <Textarea
        {...field}
        autosize
        minRows={2}
        maxRows={12}
        value={text}
        onChange={({ currentTarget }) => type(currentTarget.value)}
      />
    );
  return (
    <TextInput
      {...field}
      value={text}
      placeholder={placeholder}
      onChange={({ currentTarget }) => type(currentTarget.value)}
      autoComplete="off"
      autoCapitalize="none"
      spellCheck={false}
    />
  );
}

export function NumberField(props: FieldProps) {
  const { schema, value, set } = props;
  // What is no number stays as it was typed, so that it can be said so.
  const type = (typed: string): void =>
    set(
      typed.trim() === ''
        ? undefined
        : Number.isNaN(Number(typed)) || typed.trim() !== typed || typed.endsWith('.')
          ? typed
          : Number(typed),
    );
  return (
    <TextInput
      {...useField(props)}
      inputMode={schema.type === 'integer' ? 'numeric' : 'decimal'}
      value={value === undefined ? '' : String(value)}
      placeholder={schema.default === undefined ? undefined : String(schema.default)}
      onChange={({ currentTarget }) => type(currentTarget.value)}
      autoComplete="off"
    />
  );
}

/** As the browser asks for an instant, in the time of whoever looks; sent with its zone. */
export function InstantField(props: FieldProps) {
  const { value, set } = props;
  const instant = typeof value === 'string' ? new Date(value) : undefined;
  const local =
    instant && !Number.isNaN(instant.getTime())
      ? new Date(instant.getTime() - instant.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
      : '';
  return (
    <TextInput
      {...useField(props)}
      type="datetime-local"
      value={local}
      onChange={({ currentTarget }) =>
        set(currentTarget.value === '' ? undefined : new Date(currentTarget.value).toISOString())
      }
    />
  );
}

/** Ticked or not where one of both is usual; otherwise nothing, yes, or no. */
export function BooleanField(props: FieldProps) {
  const { schema, value, set } = props;
  const { withAsterisk: _asterisk, 'aria-required': _required, ...field } = useField(props);
  if (typeof schema.default === 'boolean')
    return (
      <Checkbox
        {...field}
        checked={typeof value === 'boolean' ? value : schema.default}
        onChange={({ currentTarget: { checked } }) => set(checked === schema.default ? undefined : checked)}
      />
    );
  return (
    <NativeSelect
      {...field}
      withAsterisk={props.required}
      value={value === undefined ? '' : String(value)}
      data={[
        { value: '', label: 'not said' },
        { value: 'true', label: 'yes' },
        { value: 'false', label: 'no' },
      ]}
      onChange={({ currentTarget }) => set(currentTarget.value === '' ? undefined : currentTarget.value === 'true')}
    />
  );
}

export function ChoiceField(props: FieldProps) {
  const { schema, value, set } = props;
  const options = schema.enum ?? [];
  const chosen = options.indexOf(value ?? schema.default);
  return (
    <NativeSelect
      {...useField(props)}
      value={chosen < 0 ? '' : String(chosen)}
      data={[
        ...(schema.default === undefined ? [{ value: '', label: props.required ? 'choose' : 'not said' }] : []),
        ...options.map((option, index) => ({ value: String(index), label: String(option) })),
      ]}
      onChange={({ currentTarget }) => {
        const option = currentTarget.value === '' ? undefined : options[Number(currentTarget.value)];
        set(option === schema.default ? undefined : option);
      }}
    />
  );
}
