import { GB, type Machine, MB, type SettingAdvice, sizeAdvice, withinFree } from './tuning.ts';

export interface MysqlFigures {
  readonly bufferPoolBytes: number;
  /** All redo logs together. */
  readonly redoBytes: number;
  /** Which setting says that: it has another name since MySQL 8.0.30. */
  readonly redoSetting: 'innodb_log_file_size' | 'innodb_redo_log_capacity';
  /** Whether that can be changed while the server runs. */
  readonly redoOnline: boolean;
  readonly dataBytes: number;
  readonly redoWrittenBytes: number;
  readonly uptimeSeconds: number;
  /** Of reads, those that went to the disk. */
  readonly missRatio: number | undefined;
  readonly flushAtCommit: number;
  readonly temporary: { readonly inMemory: number; readonly onDisk: number };
  readonly tmpTableBytes: number;
  readonly maxHeapBytes: number;
}

const LEAST_POOL = 128 * MB;
const LEAST_REDO = 96 * MB;
const HOUR = 3_600;
/** Up to here more than half does no harm that could be measured. */
const FAR_ABOVE = 1.6;

/**
 * By the sizes of innodb_dedicated_server in MySQL's manual (half of the memory up to 4 GB, three quarters above; here half throughout, since
 * Steward runs beside it) and what MariaDB's manual says of the redo log: it holds about an hour of writes. Held to what was measured:
 * no larger pool than the data, no more memory than is free.
 */
export function tuneMysql(figures: MysqlFigures, machine: Machine): SettingAdvice[] {
  const { bufferPoolBytes, dataBytes, redoBytes, redoWrittenBytes, uptimeSeconds, missRatio } = figures;
  const half = machine.memoryBytes / 2;
  const pool = withinFree(Math.min(half, Math.max(LEAST_POOL, dataBytes * 1.25)), bufferPoolBytes, machine);
  // A server that has just been started says nothing of an hour.
  const hourly = uptimeSeconds >= HOUR ? (redoWrittenBytes / uptimeSeconds) * HOUR : undefined;
  const { inMemory, onDisk } = figures.temporary;
  const limit = Math.min(figures.tmpTableBytes, figures.maxHeapBytes);
  return [
    ...sizeAdvice({
      setting: 'innodb_buffer_pool_size',
      now: bufferPoolBytes,
      should: pool,
      why:
        bufferPoolBytes > half
          ? `it takes more than half of ${machine.of}, and sessions and the system need theirs`
          : `half of ${machine.of}, no more than its data${missRatio === undefined ? '' : `; ${(missRatio * 100).toFixed(1)} % of its reads go to the disk`}`,
      restart: false,
      least: bufferPoolBytes <= half * FAR_ABOVE,
    }),
    ...(hourly === undefined
      ? []
      : sizeAdvice({
          setting: figures.redoSetting,
          now: redoBytes,
          should: Math.max(LEAST_REDO, Math.min(hourly, pool, 16 * GB)),
          why: `it writes ${Math.round(hourly / MB)} MB of log an hour, and flushes early where that does not fit`,
          restart: !figures.redoOnline,
          least: true,
        })),
    ...(onDisk > 1_000 && onDisk > (inMemory + onDisk) * 0.25
      ? sizeAdvice({
          setting: figures.tmpTableBytes <= figures.maxHeapBytes ? 'tmp_table_size' : 'max_heap_table_size',
          now: limit,
          should: Math.min(256 * MB, limit * 4, machine.memoryBytes / 64),
          why: `${Math.round((onDisk / (inMemory + onDisk)) * 100)} % of its temporary tables went to the disk`,
          restart: false,
          least: true,
        })
      : []),
    ...(figures.flushAtCommit === 1
      ? []
      : [
          {
            setting: 'innodb_flush_log_at_trx_commit',
            now: String(figures.flushAtCommit),
            should: '1',
            why: 'otherwise a crash of the machine loses up to a second of what was committed',
            restart: false,
          },
        ]),
  ];
}
