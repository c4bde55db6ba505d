import { StewardError } from '../errors.ts';
import { type SqlKind, type Statement, statementsOf } from './statements.ts';

/** What one direction of a migration sends, and how. */
export interface Script {
  readonly file: string;
  readonly sql: string;
  readonly statements: readonly Statement[];
  /** Whether the engine takes all of it back where one statement fails; else why it cannot. */
  readonly whole: boolean;
  readonly whyNot?: string | undefined;
}

export interface Migration {
  readonly version: string;
  readonly name: string;
  readonly file: string;
  /** The text whose SHA-256 is recorded: what is applied, with line ends of one kind. */
  readonly text: string;
  readonly up: Script;
  readonly down?: Script | undefined;
}

export interface MigrationFile {
  readonly name: string;
  readonly content: string;
}

const NUMBERED = /^(\d+)(?:[._-](.*?))??(?:\.(up|down))?\.sql$/i;
const FLYWAY = /^[VU](\d+(?:[._]\d+)*)(?:__(.*))?\.sql$/;
const UNDO = /^U\d/;
/** What Flyway applies again whenever it changed; it has no version. */
const REPEATABLE = /^R__/;

/**
 * The migrations of a folder, in the order of their versions. Known are `0001_name.sql`, `0001_name.up.sql` with
 * `0001_name.down.sql`, `V1__name.sql` with `U1__name.sql`, and `-- migrate:up` with `-- migrate:down` in one file.
 * INPUT_INVALID names the file that is none of these, comes twice, or cannot be read as SQL.
 */
export function migrationsOf(files: readonly MigrationFile[], kind: SqlKind): Migration[] {
  const sides = files.filter(({ name }) => /\.sql$/i.test(name)).map((file) => sideOf(file));
  const ups = sides.filter(({ down }) => !down);
  const downs = sides.filter(({ down }) => down);
  for (const side of sides) {
    const twin = sides.find(
      (other) => other !== side && other.down === side.down && compareVersions(other.version, side.version) === 0,
    );
    if (twin)
      throw wrong(
        side.file,
        `has the version ${side.version}, and so has ${twin.file}.`,
        'Give one of them the next number.',
      );
  }
  for (const { file, version } of downs)
    if (!ups.some((up) => compareVersions(up.version, version) === 0))
      throw wrong(file, 'takes back what no file does.', 'Its up file is missing, or has another number.');
  return ups
    .map((up) =>
      migrationOf(
        up,
        downs.find(({ version }) => compareVersions(version, up.version) === 0),
        kind,
      ),
    )
    .toSorted((a, b) => compareVersions(a.version, b.version));
}

interface Side {
  readonly file: string;
  readonly version: string;
  readonly name: string;
  readonly down: boolean;
  readonly text: string;
}

function sideOf({ name: file, content }: MigrationFile): Side {
  if (REPEATABLE.test(file))
    throw wrong(
      file,
      'is to be applied again whenever it changes, and Steward applies each once.',
      'Give it a number, and a new one for each change.',
    );
  const found = FLYWAY.exec(file) ?? NUMBERED.exec(file);
  if (!found)
    throw wrong(
      file,
      'has no number to go by.',
      'Call it 0001_what_it_does.sql; other files do not belong into the folder.',
    );
  const [, digits = '', name = '', side] = found;
  return {
    file,
    version: digits.replaceAll('_', '.'),
    name: name.replaceAll(/[_-]+/g, ' ').trim() || file,
    down: side?.toLowerCase() === 'down' || UNDO.test(file),
    text: content.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n'),
  };
}

function migrationOf(up: Side, down: Side | undefined, kind: SqlKind): Migration {
  const marked = markedParts(up);
  if (marked?.down !== undefined && down)
    throw wrong(down.file, `and a part of ${up.file} both take it back.`, 'Leave one of them.');
  if (down && marksIn(down.text).some(({ side }) => side === 'up'))
    throw wrong(down.file, 'has a mark of what goes up, and its name says that it goes down.', 'Leave one of them.');
  const text = marked?.up ?? up.text;
  const back = marked?.down ?? down?.text;
  const upScript = scriptOf(up.file, text, kind);
  if (upScript.statements.length === 0) throw wrong(up.file, 'holds no statement.', 'Write one, or remove the file.');
  return {
    version: up.version,
    name: up.name,
    file: up.file,
    text,
    up: upScript,
    ...(back !== undefined && { down: scriptOf(down?.file ?? up.file, back, kind) }),
  };
}

const MARK = /^[ \t]*--[ \t]*(?:migrate:(up|down)|\+(?:goose|migrate)[ \t]+(up|down))\b/gim;

const marksIn = (text: string) =>
  [...text.matchAll(MARK)].map((mark) => ({
    at: mark.index,
    said: mark[0].trim(),
    side: (mark[1] ?? mark[2] ?? '').toLowerCase(),
  }));

/** The parts of a file that holds both; the lines keep their numbers. */
function markedParts({ file, text }: Side): { readonly up: string; readonly down?: string } | undefined {
  const marks = marksIn(text);
  const up = marks.find(({ side }) => side === 'up');
  const down = marks.find(({ side }) => side === 'down');
  if (!up && !down) return undefined;
  if (!up)
    throw wrong(
      file,
      `has a line ${marks[0]?.said}, and none says what goes up.`,
      'Put -- migrate:up before what is to be applied.',
    );
  if (marks.length > (down ? 2 : 1))
    throw wrong(file, 'has more than one mark of a side.', 'Leave one -- migrate:up and one -- migrate:down.');
  const blank = (part: string): string => part.replaceAll(/[^\n]/g, '');
  if (!down) return { up: text };
  const [first, second] = up.at < down.at ? [up, down] : [down, up];
  const [head, tail] = [text.slice(0, second.at), blank(text.slice(0, second.at)) + text.slice(second.at)];
  return first === up ? { up: head, down: tail } : { up: tail, down: head };
}

const NO_TRANSACTION =
  /--[ \t]*(steward:no-transaction|migrate:(up|down)[ \t]+transaction:false|\+goose[ \t]+no[ \t]+transaction|atlas:txmode[ \t]+none)/i;

function scriptOf(file: string, sql: string, kind: SqlKind): Script {
  let statements: readonly Statement[];
  try {
    statements = statementsOf(sql, kind);
  } catch (thrown) {
    const { message, hint = '' } = StewardError.from(thrown);
    throw wrong(file, message, hint);
  }
  statements = withoutFrame(statements);
  for (const { shape, line } of statements) {
    if (CONTROL.test(shape))
      throw wrong(
        file,
        `line ${line}: '${shape.slice(0, 40)}' begins or ends a transaction, which is for Steward to do.`,
        'Remove it; -- steward:no-transaction lets a file go without one.',
      );
    if (kind === 'sqlite' && /^(attach\b|vacuum\b.*\binto\b)/i.test(shape))
      throw wrong(
        file,
        `line ${line}: '${shape.slice(0, 40)}' reaches another file, which neither rehearsal nor recovery point has.`,
        'Give that database a source and a folder of its own.',
      );
    if (kind === 'postgres' && /^copy\b.*\bfrom stdin\b/i.test(shape))
      throw wrong(file, `line ${line}: rows after COPY FROM stdin cannot be sent.`, 'Write them as INSERT.');
  }
  const whyNot = NO_TRANSACTION.test(sql) ? 'the file asks for no transaction' : alone(statements, kind);
  return { file, sql, statements, whole: whyNot === undefined, ...(whyNot !== undefined && { whyNot }) };
}

/** Whatever begins, ends or hands over a transaction; a savepoint within it does none of these. */
const CONTROL = new RegExp(
  `^(${[
    'begin( (transaction|work|immediate|exclusive|deferred|isolation|read|deferrable|not deferrable)\\b.*)?',
    'start transaction\\b.*',
    'commit\\b.*',
    'rollback( (work|transaction))?( and\\b.*)?',
    'rollback prepared\\b.*',
    'end( (work|transaction))?( and\\b.*)?',
    'abort\\b.*',
    'prepare transaction\\b.*',
    'xa\\b.*',
    'set\\b.*\\bautocommit\\b.*',
  ].join('|')})$`,
  'i',
);
const FRAME = /^(begin( (transaction|work|(immediate|exclusive|deferred)( transaction)?))?|start transaction)$/i;

/** Files of other tools often bring the transaction along in which they are to run. */
function withoutFrame(statements: readonly Statement[]): readonly Statement[] {
  const [first, last] = [statements[0], statements.at(-1)];
  const framed =
    first && last && FRAME.test(first.shape) && /^(commit|end)\b/i.test(last.shape) && CONTROL.test(last.shape);
  return framed ? statements.slice(1, -1) : statements;
}

const OUTSIDE: Readonly<Record<SqlKind, RegExp | undefined>> = {
  postgres:
    /^(vacuum\b|create (unique )?index concurrently\b|drop index concurrently\b|reindex\b.*\bconcurrently\b|(create|drop) (database|tablespace|subscription)\b|alter system\b|alter table\b.*\bdetach partition\b.*\bconcurrently\b)/i,
  sqlite: /^(vacuum|detach)\b/i,
  mysql: undefined,
};
/** Of MySQL and MariaDB all else commits what was before it. */
const KEPT_OPEN =
  /^(insert|update|delete|replace|select|with|set (?!password|statement|default role)|do|values)\b|^(create|drop) temporary table\b/i;

/** Why the engine cannot take all of them back. */
function alone(statements: readonly Statement[], kind: SqlKind): string | undefined {
  const outside = OUTSIDE[kind];
  const first = outside
    ? statements.find(({ shape }) => outside.test(shape))
    : statements.find(({ shape }) => !KEPT_OPEN.test(shape));
  if (!first) return undefined;
  const words = first.shape.split(' ').slice(0, 3).join(' ');
  return outside
    ? `line ${first.line} (${words}) cannot run in a transaction`
    : `line ${first.line} (${words}) commits by itself: this engine does not roll it back`;
}

/** By the numbers between dots; 10 comes after 9. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [one.split('.'), other.split('.')];
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const [left, right] = [BigInt(a[at] ?? 0), BigInt(b[at] ?? 0)];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

function wrong(file: string, what: string, hint: string): StewardError {
  return new StewardError('INPUT_INVALID', `${file} ${what}`, { hint });
}
