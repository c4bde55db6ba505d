const OUTCOMES = ['allowed', 'refused', 'succeeded', 'failed'] as const;
export type Outcome = (typeof OUTCOMES)[number];
export const outcomes: readonly Outcome[] = OUTCOMES;

/** What is looked for, as the address of the page says it: it can be sent to somebody. */
export interface AuditSearch {
  readonly only?: 'security';
  readonly actor?: string;
  readonly action?: string;
  readonly subject?: string;
  readonly from?: string;
  readonly outcome?: Outcome;
  readonly since?: string;
  readonly until?: string;
}

const TEXTS = ['actor', 'action', 'subject', 'from'] as const;
const INSTANTS = ['since', 'until'] as const;

/** What of an address, or of a form, can be looked for. The rest is left out. */
export function auditSearchOf(given: Readonly<Record<string, unknown>>): AuditSearch {
  const textOf = (name: string): string =>
    typeof given[name] === 'string' || typeof given[name] === 'number' ? String(given[name]).trim() : '';
  const outcome = OUTCOMES.find((each) => each === given['outcome']);
  return {
    ...(given['only'] === 'security' && { only: 'security' }),
    ...Object.fromEntries(TEXTS.flatMap((name) => (textOf(name) === '' ? [] : [[name, textOf(name)]]))),
    ...(outcome && { outcome }),
    ...Object.fromEntries(
      INSTANTS.flatMap((name) => {
        const at = Date.parse(textOf(name));
        return Number.isNaN(at) ? [] : [[name, new Date(at).toISOString()]];
      }),
    ),
  };
}

/** What the server is asked of it. */
export function askedOf({ only: _only, ...query }: AuditSearch): Omit<AuditSearch, 'only'> {
  return query;
}
