import type { SettingAdvice } from '../../../core/database/tuning.ts';
import { type PostgresFigures, tunePostgres } from '../../../core/database/tune-postgres.ts';
import type { DatabaseLook } from '../../../core/database/look.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { PgSession } from '../../sources/postgres/access.ts';
import type { MachineOf } from '../machine.ts';

/** Sizes in bytes; whether it is on as 1. The folder only superusers and pg_read_all_settings may read. */
const SETTINGS = `select name, case when setting in ('on', 'off') then (setting = 'on')::int::float8
      when unit in ('8kB', 'kB', 'MB') then pg_catalog.pg_size_bytes(setting || case unit when '8kB' then 'kB' else unit end)::float8 * case unit when '8kB' then 8 else 1 end
      else setting::float8 end as value
    from pg_catalog.pg_settings where name = any($1)`;

const NAMES = [
  'shared_buffers',
  'effective_cache_size',
  'work_mem',
  'maintenance_work_mem',
  'max_wal_size',
  'max_connections',
  'random_page_cost',
  'checkpoint_completion_target',
  'autovacuum',
  'autovacuum_vacuum_scale_factor',
] as const;

/** What of its settings does not fit where it runs; undefined where that cannot be seen. */
export async function settingsOf(
  session: Pick<PgSession, 'rows'>,
  source: SourceOf<'postgres'>,
  { databases, tables }: Pick<DatabaseLook, 'databases' | 'tables'>,
  machineOf: MachineOf,
): Promise<SettingAdvice[] | undefined> {
  const [about] = await session.rows<{ folder: string | null; temp: number | null; split: boolean }>(
    `select case when pg_catalog.pg_has_role('pg_read_all_settings', 'usage') then current_setting('data_directory') end as folder,
        current_setting('server_version_num')::int >= 170000 as split, (select sum(temp_bytes)::float8 from pg_catalog.pg_stat_database) as temp`,
  );
  const machine = await machineOf(source, about?.folder ?? undefined);
  if (!machine) return undefined;
  const rows = await session.rows<{ name: string; value: number }>(SETTINGS, [NAMES]);
  const [checkpoints] = await session.rows<{ timed: number; requested: number }>(
    about?.split
      ? 'select num_timed::float8 as timed, num_requested::float8 as requested from pg_catalog.pg_stat_checkpointer'
      : 'select checkpoints_timed::float8 as timed, checkpoints_req::float8 as requested from pg_catalog.pg_stat_bgwriter',
  );
  const values = Object.fromEntries(rows.map(({ name, value }) => [name, value])) as Record<
    (typeof NAMES)[number],
    number
  >;
  const figures: PostgresFigures = {
    settings: { ...values, autovacuum: values.autovacuum === 1 },
    dataBytes: databases.reduce((sum, { bytes }) => sum + bytes, 0),
    checkpoints,
    tempBytes: about?.temp ?? 0,
    largestTableRows: Math.max(0, ...tables.map(({ rows: many }) => many)),
  };
  return tunePostgres(figures, machine);
}
