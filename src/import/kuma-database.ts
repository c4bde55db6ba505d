import { DatabaseSync } from 'node:sqlite';
import { StewardError } from '../core/errors.ts';
import { Backup } from './kuma.ts';

type Row = Readonly<Record<string, unknown>>;

/** Columns of the table `monitor` that are called otherwise in a backup. */
const RENAMED: Readonly<Record<string, string>> = {
  retry_interval: 'retryInterval',
  resend_interval: 'resendInterval',
  upside_down: 'upsideDown',
  ignore_tls: 'ignoreTls',
  expiry_notification: 'expiryNotification',
  invert_keyword: 'invertKeyword',
  json_path: 'jsonPath',
  json_path_operator: 'jsonPathOperator',
  expected_value: 'expectedValue',
  auth_method: 'authMethod',
  database_connection_string: 'databaseConnectionString',
};

/** The database of Uptime Kuma 2.x; it is only read. */
export function readKumaDatabase(file: string): Backup {
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(file, { readOnly: true });
  } catch (cause) {
    throw new StewardError('INPUT_INVALID', `${file} cannot be opened: ${(cause as Error).message}`, { cause });
  }
  const rows = (table: string): Row[] => {
    const known = database.prepare("select 1 from sqlite_master where type = 'table' and name = ?").get(table);
    return known ? database.prepare(`select * from "${table}"`).all() : [];
  };
  try {
    const tags = new Map(rows('tag').map((tag) => [tag['id'], tag['name']]));
    const tagged = Map.groupBy(rows('monitor_tag'), (row) => row['monitor_id']);
    const about = Map.groupBy(rows('monitor_maintenance'), (row) => row['maintenance_id']);
    const monitors = rows('monitor');
    if (monitors.length === 0)
      throw new StewardError('INPUT_INVALID', `${file} has no table of monitors.`, {
        hint: 'Give the kuma.db of an Uptime Kuma, or a backup of 1.x as JSON.',
      });
    return Backup.parse({
      monitorList: monitors.map((row) => ({
        ...Object.fromEntries(Object.entries(row).map(([column, value]) => [RENAMED[column] ?? column, value])),
        accepted_statuscodes: jsonOf(row['accepted_statuscodes_json']),
        tags: (tagged.get(row['id']) ?? []).map((each) => ({
          name: tags.get(each['tag_id']) ?? '',
          value: each['value'],
        })),
      })),
      notificationList: rows('notification').map(({ name, config }) => ({ name, config })),
      maintenanceList: rows('maintenance').map((row) => ({
        ...row,
        monitors: (about.get(row['id']) ?? []).map((each) => each['monitor_id']),
      })),
    });
  } finally {
    database.close();
  }
}

function jsonOf(text: unknown): unknown {
  try {
    return typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}
