import type { Context } from '../../core/automation.ts';
import type { ExpiringTable } from '../../core/database/expiry.ts';
import { StewardError } from '../../core/errors.ts';
import type { ExpiryLook } from '../../core/ports/expiry.ts';
import type { Change } from '../../core/run.ts';

export interface Input {
  readonly source?: string | undefined;
  readonly table?: string | undefined;
}
export type Ctx = Context<Input, 'backups' | 'copies' | 'expiry'>;

/** As the configuration names it: the same in every look. */
export interface SeenTable extends ExpiryLook {
  readonly id: string;
  readonly configured: ExpiringTable;
}

export interface Facts {
  readonly tables: readonly SeenTable[];
  readonly unreached: readonly {
    readonly source: string;
    readonly table: string;
    readonly why: string;
    /** It is only left for another time. */
    readonly waits: boolean;
  }[];
}

export interface TableChange extends Change {
  readonly reason: string;
}

/** Those that are meant, in the order of the configuration. */
export function chosen(all: readonly ExpiringTable[], { source, table }: Input): readonly ExpiringTable[] {
  const meant = all.filter(
    (one) => (source === undefined || one.source === source) && (table === undefined || one.table === table),
  );
  if (meant.length > 0 || (source === undefined && table === undefined)) return meant;
  throw new StewardError(
    'NOT_FOUND',
    `databases.sessions has no ${table === undefined ? 'table' : `table ${table}`}${source === undefined ? '' : ` of the source ${source}`}.`,
    { hint: `There are: ${all.map((one) => `${one.table} of ${one.source}`).join(', ') || 'none'}.` },
  );
}

export async function analyze({ input, ports, signal }: Ctx): Promise<Facts> {
  const tables: SeenTable[] = [];
  const unreached: Facts['unreached'][number][] = [];
  for (const configured of chosen(ports.expiry.tables(), input)) {
    const { source, table } = configured;
    if (await isCopied(ports.copies, source)) {
      unreached.push({ source, table, why: 'it is being backed up', waits: true });
      continue;
    }
    try {
      const look = await ports.expiry.look(configured, { signal });
      tables.push({ ...look, id: idOf(configured), configured });
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const error = StewardError.from(thrown);
      unreached.push({ source, table, why: whyOf(error), waits: error.code === 'LOCKED' });
    }
  }
  return { tables, unreached };
}

export async function isCopied(copies: Ctx['ports']['copies'], source: string): Promise<boolean> {
  return (await copies.find({ source, status: 'writing' })).length > 0;
}

export const whyOf = ({ message, hint }: StewardError): string => (hint === undefined ? message : `${message} ${hint}`);

const idOf = ({ source, database, table }: ExpiringTable): string =>
  [source, ...(database === undefined ? [] : [database]), table].join(':');

export const placeOf = ({ table, database, configured }: SeenTable): string =>
  `${table} in ${database} (${configured.source})`;

export function planOf({ tables }: Facts): TableChange[] {
  return tables
    .filter(({ expired }) => expired > 0)
    .map((seen) => {
      const { id, expired, oldest, goingWith, others } = seen;
      return {
        id,
        title: `Remove ${expired} expired ${expired === 1 ? 'row' : 'rows'} from ${placeOf(seen)}`,
        reason: `The first of them expired at ${oldest}. ${others} ${others === 1 ? 'other stays' : 'others stay'}.`,
        undo: 'none' as const,
        ...(goingWith.length > 0 && { detail: `As the configuration allows: ${goingWith.join('; ')}.` }),
      };
    });
}
