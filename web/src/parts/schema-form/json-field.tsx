import { Textarea } from '@mantine/core';
import { useState } from 'react';
import type { FieldProps } from './fields.tsx';
import { useField } from './plain-fields.tsx';
import { NotJson } from './schema.ts';

/** Anything, as JSON. */
export function JsonField(props: FieldProps) {
  const { value, set } = props;
  const [text, setText] = useState(() =>
    value === undefined ? '' : value instanceof NotJson ? value.text : JSON.stringify(value, null, 2),
  );
  const field = useField(props);

  function type(typed: string): void {
    setText(typed);
    if (typed.trim() === '') return set(undefined);
    try {
      set(JSON.parse(typed));
    } catch {
      set(new NotJson(typed));
    }
  }
  return (
    <Textarea
      {...field}
      description={
        field.description?.includes('JSON') ? field.description : [field.description, 'JSON.'].filter(Boolean).join(' ')
      }
      autosize
      minRows={2}
      maxRows={14}
      value={text}
      onChange={({ currentTarget }) => type(currentTarget.value)}
      spellCheck={false}
    />
  );
}
