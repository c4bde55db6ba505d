import { NativeSelect, Stack } from '@mantine/core';
import { useId, useState } from 'react';
import { Field, type FieldProps } from './fields.tsx';
import { branchOf } from './problems.ts';
import { branchesOf, emptyOf, nameOfBranch } from './schema.ts';

/** One of several: which, and then its field. */
export function UnionField({ schema, value, set, path, label, required }: FieldProps) {
  const branches = branchesOf(schema);
  const [chosen, setChosen] = useState(() => (value === undefined ? 0 : branchOf(schema, value)));
  const branch = branches[chosen] ?? {};
  const id = useId();
  return (
    <Stack gap="xs">
      <NativeSelect
        id={id}
        label={`${label}: what it is`}
        description={schema.description}
        value={String(chosen)}
        data={branches.map((each, index) => ({ value: String(index), label: nameOfBranch(each) }))}
        onChange={({ currentTarget }) => {
          const next = Number(currentTarget.value);
          setChosen(next);
          set(emptyOf(branches[next] ?? {}));
        }}
      />
      <Field key={chosen} schema={branch} value={value} set={set} path={path} label={label} required={required} />
    </Stack>
  );
}
