import type { Script } from './files.ts';
import type { SqlKind } from './statements.ts';

/** What a person should know of a statement before it runs; none of it keeps it from running. */
export interface Warning {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

interface Rule {
  readonly rule: string;
  readonly kinds?: readonly SqlKind[];
  readonly matches: RegExp;
  readonly unless?: RegExp;
  readonly message: string;
  /** Says nothing of a table that the same file makes: nobody reads it yet. */
  readonly oldTablesOnly?: boolean;
}

const BIG: readonly SqlKind[] = ['postgres', 'mysql'];
const ALTER = '^alter table\\b.*';

const RULES: readonly Rule[] = [
  {
    rule: 'drop',
    matches: /^(drop (table|schema|database|materialized view|sequence)|truncate)\b/i,
    message: 'destroys what is in it; what runs before the release that stops using it breaks readers',
  },
  {
    rule: 'drop-column',
    matches:
      /^alter table\b.*\bdrop\s+(column\s+)?(?!constraint|primary|foreign|index|key|default|not null|check|partition|identity|expression)["`[\w]/i,
    unless: /\balter column\b.*\bdrop (default|not null|identity|expression)\b/i,
    message: 'destroys the values of the column',
  },
  {
    rule: 'all-rows',
    matches: /^(update|delete)\b/i,
    unless: /\bwhere\b/i,
    message: 'touches every row of its table: there is no WHERE',
  },
  {
    rule: 'rename',
    matches: /^(alter table\b.*\brename\b(?!.*\b(constraint|index|key)\b)|rename table)\b/i,
    message: 'breaks what still uses the old name',
    oldTablesOnly: true,
  },
  {
    rule: 'not-null-without-default',
    matches: /\badd\s+(column\s+)?(if not exists\s+)?\S+\s[^,]*\bnot null\b/i,
    unless:
      /\b(default|generated|serial|bigserial|smallserial|auto_increment|primary key)\b|\badd\s+(constraint|check)\b/i,
    message: 'fails where the table has rows, or fills them with what nobody chose: a NOT NULL column needs a default',
    oldTablesOnly: true,
  },
  {
    rule: 'index-blocks-writes',
    kinds: ['postgres'],
    matches: /^create (unique )?index\b/i,
    unless: /\bconcurrently\b/i,
    message: 'lets nobody write to the table until the index is built; CREATE INDEX CONCURRENTLY does',
    oldTablesOnly: true,
  },
  {
    rule: 'reindex-blocks',
    kinds: ['postgres'],
    matches: /^(reindex|refresh materialized view)\b/i,
    unless: /\bconcurrently\b/i,
    message: 'lets nobody write, or read, until it is done; CONCURRENTLY does',
  },
  {
    rule: 'rewrite',
    kinds: ['postgres'],
    matches: new RegExp(`${ALTER}\\balter\\s+(column\\s+)?\\S+\\s+(set data )?type\\b`, 'i'),
    message: 'may write the whole table anew while nobody can read it; the rehearsal says whether it does',
    oldTablesOnly: true,
  },
  {
    rule: 'rewrite',
    kinds: ['postgres'],
    matches: new RegExp(
      `${ALTER}\\badd\\b.*\\b(serial|bigserial|generated always as \\(|random\\(|gen_random_uuid\\(|uuid_generate_|clock_timestamp\\(|nextval\\()`,
      'i',
    ),
    message: 'writes the whole table anew while nobody can read it: each row gets a value of its own',
    oldTablesOnly: true,
  },
  {
    rule: 'rewrite',
    kinds: ['postgres'],
    matches: /^(vacuum full|vacuum \([^)]*full|cluster|alter table\b.*\bset (tablespace|logged|unlogged))\b/i,
    message: 'writes the whole table anew while nobody can read it',
  },
  {
    rule: 'set-not-null',
    kinds: ['postgres'],
    matches: /\balter\s+(column\s+)?\S+\s+set not null\b/i,
    message:
      'reads the whole table while nobody can read or write; a CHECK that was added NOT VALID and validated before spares that',
    oldTablesOnly: true,
  },
  {
    rule: 'constraint-scans',
    kinds: ['postgres'],
    matches: /\badd\s+(constraint\s+\S+\s+)?(foreign key|check)\b/i,
    unless: /\bnot valid\b/i,
    message: 'reads the whole table while it is locked; add it NOT VALID, and VALIDATE it in a migration of its own',
    oldTablesOnly: true,
  },
  {
    rule: 'constraint-builds-index',
    kinds: ['postgres'],
    matches: /\badd\s+(constraint\s+\S+\s+)?(primary key|unique)\b/i,
    unless: /\busing index\b/i,
    message: 'builds an index while nobody can read or write; build it CONCURRENTLY before, and add it USING INDEX',
    oldTablesOnly: true,
  },
  { rule: 'lock', kinds: BIG, matches: /^lock tables?\b/i, message: 'keeps others out until the migration is done' },
  {
    rule: 'rewrite',
    kinds: ['mysql'],
    matches: new RegExp(
      `${ALTER}\\b(modify|change|convert to|engine\\s*=|row_format|algorithm\\s*=\\s*copy|order by)`,
      'i',
    ),
    message:
      'may write the whole table anew while nobody can write to it; ALGORITHM=INPLACE, LOCK=NONE refuses where it would',
    oldTablesOnly: true,
  },
  {
    rule: 'keys-unchecked',
    kinds: ['mysql'],
    matches: /\bforeign_key_checks\s*=\s*(0|off)/i,
    message: 'lets in rows whose parents do not exist; nothing checks them afterwards',
  },
  {
    rule: 'rewrite',
    kinds: ['sqlite'],
    matches: /^vacuum\b/i,
    message: 'writes the whole database anew while nobody else can write',
  },
];

/** In the order of the lines. */
export function warningsOf(script: Script, kind: SqlKind): Warning[] {
  const made = new Set(
    script.statements.flatMap(({ shape }) =>
      nameAfter(/^create (?:temp(?:orary)? |unlogged )?table (?:if not exists )?(\S+)/i, shape),
    ),
  );
  return script.statements.flatMap(({ shape, line }) => {
    const about = nameAfter(
      /^(?:alter|rename) table (?:if exists )?(?:only )?([^\s(]+)|^create (?:unique )?index .*? on (?:only )?([^\s(]+)/i,
      shape,
    )[0];
    return RULES.filter(
      ({ kinds, matches, unless, oldTablesOnly }) =>
        (kinds?.includes(kind) ?? true) &&
        matches.test(shape) &&
        !unless?.test(shape) &&
        !(oldTablesOnly === true && about !== undefined && made.has(about)),
    ).map(({ rule, message }) => ({ file: script.file, line, rule, message: `${headOf(shape)} ${message}` }));
  });
}

function nameAfter(pattern: RegExp, shape: string): string[] {
  const found = pattern
    .exec(shape)
    ?.slice(1)
    .find((name) => name !== undefined);
  return found === undefined ? [] : [found.replaceAll(/["`[\]]|\($/g, '').toLowerCase()];
}

const HEAD = 60;
const headOf = (shape: string): string => (shape.length > HEAD ? `${shape.slice(0, HEAD)}…` : shape);

/**
 * Of what is unsound now and was not before, all that nobody asked for: a constraint that was added NOT VALID, as is advised,
 * is validated by a later migration.
 */
export function unwanted(problems: readonly string[], { notValid }: { readonly notValid: boolean }): string[] {
  return problems.filter((problem) => !(notValid && problem.endsWith(NEVER_VALIDATED)));
}

/** How a problem ends that tells of such a constraint. */
export const NEVER_VALIDATED = ' was never validated';

export const saysNotValid = ({ statements }: Pick<Script, 'statements'>): boolean =>
  statements.some(({ shape }) => /\bnot valid\b/i.test(shape));

/** Tables that the SQL of these names anywhere; what it reaches by triggers and cascades it does not name. */
export function namedIn(
  migrations: readonly { readonly up: Pick<Script, 'sql'> }[],
  tables: readonly string[],
): Set<string> {
  const words = new Set(migrations.flatMap(({ up }) => up.sql.toLowerCase().match(/[\p{L}\p{N}_$]+/gu) ?? []));
  return new Set(
    tables.filter((table) => words.has((table.split('.').at(-1) ?? table).replaceAll('"', '').toLowerCase())),
  );
}
