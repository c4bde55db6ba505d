import { GB, type Machine, MB, type SettingAdvice, sizeAdvice, withinFree } from './tuning.ts';

export interface PostgresFigures {
  /** Of pg_settings, sizes in bytes. */
  readonly settings: {
    readonly shared_buffers: number;
    readonly effective_cache_size: number;
    readonly work_mem: number;
    readonly maintenance_work_mem: number;
    readonly max_wal_size: number;
    readonly max_connections: number;
    readonly random_page_cost: number;
    readonly checkpoint_completion_target: number;
    readonly autovacuum: boolean;
    readonly autovacuum_vacuum_scale_factor: number;
  };
  readonly dataBytes: number;
  /** Since the server counts: those that the time brought, and those that a full log did. */
  readonly checkpoints: { readonly timed: number; readonly requested: number } | undefined;
  /** What did not fit into work_mem and went through files, since the server counts. */
  readonly tempBytes: number;
  readonly largestTableRows: number;
}

/** A cache below this is what every server has anyway. */
const LEAST_BUFFERS = 128 * MB;
const MANY_ROWS = 10_000_000;

/**
 * By the formulas of pgtune (le0pard/pgtune, mixed use) and the chapters Resource Consumption and WAL Configuration of PostgreSQL's
 * manual: a quarter of the memory for shared_buffers, three quarters as what the planner may take for cached, what is left over three
 * times the connections for work_mem, a sixteenth up to 2 GB for maintenance. Held to what was measured: no larger cache than the data,
 * no more memory than is free, a larger log only where checkpoints did not wait for their time.
 */
export function tunePostgres(figures: PostgresFigures, machine: Machine): SettingAdvice[] {
  const { settings, dataBytes, checkpoints, tempBytes, largestTableRows } = figures;
  const { memoryBytes, of, rotational } = machine;
  const data = Math.max(LEAST_BUFFERS, dataBytes * 1.25);
  const quarter = memoryBytes / 4;
  const buffers = withinFree(Math.min(quarter, data), settings.shared_buffers, machine);
  const perSort = (memoryBytes - buffers) / (settings.max_connections * 3);
  const total = (checkpoints?.timed ?? 0) + (checkpoints?.requested ?? 0);
  const forced = checkpoints && total >= 10 ? checkpoints.requested / total : 0;
  const one = (setting: string, now: number | string, should: number | string, why: string): SettingAdvice => ({
    setting,
    now: String(now),
    should: String(should),
    why,
    restart: false,
  });
  return [
    ...sizeAdvice({
      setting: 'shared_buffers',
      now: settings.shared_buffers,
      should: buffers,
      why: `a quarter of ${of} serves best, and no more than its data and than what is free; the rest caches files`,
      restart: true,
      least: settings.shared_buffers <= quarter * 1.6,
    }),
    ...sizeAdvice({
      setting: 'effective_cache_size',
      now: settings.effective_cache_size,
      should: memoryBytes * 0.75,
      why: `it tells the planner how much of its data is likely to be in memory, of ${of}; it takes none itself`,
      restart: false,
    }),
    ...sizeAdvice({
      setting: 'work_mem',
      now: settings.work_mem,
      should: Math.max(4 * MB, Math.min(256 * MB, perSort)),
      why:
        settings.work_mem > perSort
          ? `each of ${settings.max_connections} connections may take it several times at once, which is more than ${of}`
          : `${Math.round(tempBytes / MB)} MB of sorts and joins went through files, and ${settings.max_connections} connections leave room for more each`,
      restart: false,
      // Nothing went through files: nobody needs more.
      least: settings.work_mem <= perSort,
    }).filter(() => settings.work_mem > perSort || tempBytes > 64 * MB),
    ...sizeAdvice({
      setting: 'maintenance_work_mem',
      now: settings.maintenance_work_mem,
      should: Math.min(2 * GB, memoryBytes / 16),
      why: 'builds of indexes and vacuums need fewer passes; few of them run at once',
      restart: false,
    }),
    ...(forced > 0.25
      ? sizeAdvice({
          setting: 'max_wal_size',
          now: settings.max_wal_size,
          should: Math.min(16 * GB, settings.max_wal_size * 2),
          why: `${Math.round(forced * 100)} % of ${total} checkpoints came since the log was full and not by their time, and each writes whole pages anew`,
          restart: false,
          least: true,
        })
      : []),
    ...(settings.checkpoint_completion_target < 0.8
      ? [
          one(
            'checkpoint_completion_target',
            settings.checkpoint_completion_target,
            0.9,
            'a checkpoint that is spread over its time holds up nobody else who writes',
          ),
        ]
      : []),
    ...(rotational === false && settings.random_page_cost > 2
      ? [
          one(
            'random_page_cost',
            settings.random_page_cost,
            1.1,
            'its disk does not turn, so a page anywhere costs hardly more than the next one, and indexes are worth more than it reckons',
          ),
        ]
      : []),
    ...(settings.autovacuum
      ? []
      : [one('autovacuum', 'off', 'on', 'without it dead rows stay, statistics grow old and transaction ids run out')]),
    ...(largestTableRows >= MANY_ROWS && settings.autovacuum_vacuum_scale_factor >= 0.1
      ? [
          one(
            'autovacuum_vacuum_scale_factor',
            settings.autovacuum_vacuum_scale_factor,
            0.02,
            `its largest table has ${Math.round(largestTableRows / 1e6)} million rows, and is vacuumed only when ${Math.round(settings.autovacuum_vacuum_scale_factor * 100)} % of them are dead`,
          ),
        ]
      : []),
  ];
}
