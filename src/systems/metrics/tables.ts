import { type Generated, type JSONColumnType, type Kysely, sql } from 'kysely';
import type { Labels, MetricName } from '../../core/metric.ts';
import type { Migration } from '../../store/migrator.ts';
import { LEVELS, type LevelName, TICKS } from './levels.ts';

interface ChunkTable {
  series: number;
  /** When it begins. */
  at: Date;
  data: Buffer;
}

export type MetricTables = {
  metric_series: {
    id: Generated<number>;
    node: string;
    name: MetricName;
    labels: JSONColumnType<Labels>;
    /** The labels as text, always in one order. */
    labels_key: string;
    resource_id: string | null;
    first_seen: Date;
    /** Brought up to date once an hour. */
    last_seen: Date;
  };
  metric_ticks: { node: string; at: Date; data: Buffer };
  metric_raw: ChunkTable;
  metric_5m: ChunkTable;
  metric_1h: ChunkTable;
  metric_1d: ChunkTable;
  /** How far each level is written. */
  metric_levels: { level: LevelName; until: Date };
};

export const metricMigrations: readonly Migration[] = [
  {
    name: 'metrics/0001-series-and-levels',
    async up(db) {
      await sql`create table metric_series (
        id integer generated always as identity primary key, node text not null, name text not null, labels jsonb not null,
        labels_key text not null, resource_id text, first_seen timestamptz not null, last_seen timestamptz not null,
        unique (node, name, labels_key))`.execute(db);
      await sql`create index metric_series_name on metric_series (name)`.execute(db);
      await sql`create table metric_levels (level text primary key, until timestamptz not null)`.execute(db);
      await sql`create table metric_ticks (node text not null, at timestamptz not null, data bytea not null, primary key (at, node))
        partition by range (at)`.execute(db);
      for (const { table } of LEVELS)
        await sql`create table ${sql.table(table)} (series integer not null, at timestamptz not null, data bytea not null,
          primary key (series, at)) partition by range (at)`.execute(db);
      // Catches what a clock that jumped brings.
      for (const { table } of [TICKS, ...LEVELS])
        await sql`create table ${sql.table(`${table}_other`)} partition of ${sql.table(table)} default`.execute(db);
    },
  },
];

export type MetricDb = Kysely<MetricTables>;
