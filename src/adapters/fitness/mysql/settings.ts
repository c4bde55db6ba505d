import type { SourceOf } from '../../../core/backup/source.ts';
import type { SettingAdvice } from '../../../core/database/tuning.ts';
import { tuneMysql } from '../../../core/database/tune-mysql.ts';
import type { TableLook } from '../../../core/database/look.ts';
import type { MachineOf } from '../machine.ts';
import { numberOf, numbersOf, type Server } from './session.ts';

/** What of its settings does not fit where it runs; undefined where that cannot be seen. */
export async function settingsOf(
  server: Server,
  source: SourceOf<'mysql'>,
  tables: readonly TableLook[],
  machineOf: MachineOf,
): Promise<SettingAdvice[] | undefined> {
  const { variables, flavor, version } = server;
  const machine = await machineOf(source, variables.get('datadir'));
  if (!machine) return undefined;
  const of = (name: string): number => numberOf(server, name);
  const capacity = of('innodb_redo_log_capacity');
  const requests = of('innodb_buffer_pool_read_requests');
  const [major, minor] = numbersOf(version);
  return tuneMysql(
    {
      bufferPoolBytes: of('innodb_buffer_pool_size'),
      redoBytes: capacity || of('innodb_log_file_size') * Math.max(1, of('innodb_log_files_in_group')),
      redoSetting: capacity ? 'innodb_redo_log_capacity' : 'innodb_log_file_size',
      redoOnline: capacity > 0 || (flavor === 'mariadb' && (major > 10 || (major === 10 && minor >= 9))),
      dataBytes: tables.reduce((sum, { bytes }) => sum + bytes, 0),
      redoWrittenBytes: of('innodb_os_log_written'),
      uptimeSeconds: of('uptime'),
      missRatio: requests > 0 ? of('innodb_buffer_pool_reads') / requests : undefined,
      flushAtCommit: of('innodb_flush_log_at_trx_commit'),
      temporary: {
        inMemory: Math.max(0, of('created_tmp_tables') - of('created_tmp_disk_tables')),
        onDisk: of('created_tmp_disk_tables'),
      },
      tmpTableBytes: of('tmp_table_size'),
      maxHeapBytes: of('max_heap_table_size'),
    },
    machine,
  );
}
