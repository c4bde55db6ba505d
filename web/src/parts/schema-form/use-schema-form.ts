import { createContext, use, useCallback, useMemo, useState } from 'react';
import type { Problem } from '../../api/refused.ts';
import { problemsOf } from './problems.ts';
import { emptyOf, type Schema } from './schema.ts';

type Input = Readonly<Record<string, unknown>>;

export interface SchemaForm {
  readonly schema: Schema;
  /** As the API takes it: what was left out has no member. */
  readonly value: Input;
  readonly set: (value: Input) => void;
  /** Begins anew with this. */
  readonly fill: (value: Input) => void;
  /** Whether the browser finds nothing wrong. From then on what is wrong stands beside every field, the first one in focus. */
  readonly attempt: () => boolean;
  /** Whether what stands at this path belongs to a field. */
  readonly has: (path: string) => boolean;
  /** What the server found wrong, by the names of the members. */
  readonly refuse: (problems: readonly Problem[]) => void;
  /** What is wrong with a field: exactly there, or also with what lies within it. */
  readonly problemAt: (path: string, within?: 'within') => string | undefined;
  /** Whoever leaves a field hears what is wrong with it. */
  readonly leave: (path: string) => void;
  /** As far as anybody has found yet. */
  readonly valid: boolean;
  /** Changes where the fields have to begin anew. */
  readonly round: number;
  /** How often something was found wrong; the first field with it then takes the focus. */
  readonly refusals: number;
}

export function useSchemaForm(schema: Schema, initial: Input = {}): SchemaForm {
  const begin = useCallback(
    (given: Input): Input => ({ ...(emptyOf(schema) as Input | undefined), ...given }),
    [schema],
  );
  const [value, setValue] = useState(() => begin(initial));
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [attempted, setAttempted] = useState(false);
  const [refused, setRefused] = useState<readonly Problem[]>([]);
  const [round, setRound] = useState(0);
  const found = useMemo(() => problemsOf(schema, value), [schema, value]);
  const [refusals, setRefusals] = useState(0);

  return {
    schema,
    value,
    set: (next) => {
      setValue(next);
      // What the server said was about what stood there.
      setRefused((before) => before.filter(({ path }) => same(valueAt(value, path), valueAt(next, path))));
    },
    fill: (next) => {
      setValue(begin(next));
      setLeft(new Set());
      setAttempted(false);
      setRefused([]);
      setRound((before) => before + 1);
    },
    attempt: () => {
      setAttempted(true);
      if (found.length > 0) setRefusals((before) => before + 1);
      return found.length === 0;
    },
    has: (path) => schema.properties?.[path.split('.')[0] ?? ''] !== undefined,
    refuse: (problems) => {
      setRefused(problems);
      setRefusals((before) => before + 1);
    },
    problemAt: (path, within) => {
      const isHere = (each: Problem): boolean =>
        each.path === path || (within !== undefined && each.path.startsWith(`${path}.`));
      return (
        found.find((each) => isHere(each) && (attempted || left.has(each.path) || left.has(path))) ??
        refused.find(isHere)
      )?.message;
    },
    leave: (path) => setLeft((before) => (before.has(path) ? before : new Set([...before, path]))),
    valid: found.length === 0 && refused.length === 0,
    round,
    refusals,
  };
}

function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((held, name) => (held as Input | undefined | null)?.[name], value);
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

export const FormContext = createContext<SchemaForm | undefined>(undefined);

export function useForm(): SchemaForm {
  const form = use(FormContext);
  if (!form) throw new Error('a field outside of a form');
  return form;
}
