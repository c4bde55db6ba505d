import { StewardError } from '../../../core/errors.ts';
import type { MySession } from './access.ts';

const ITS_OWN = new Set(['mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema', 'PUBLIC']);

/** Every root has it from its installation, and only such a root may give it. */
const ROOTS_OWN = /^GRANT PROXY ON (``@`%`|''@'%') /;

/** Users, roles and what they may do, as statements; undefined where this user may not read them. */
export async function globalsText(session: MySession): Promise<string | undefined> {
  const quote = (name: string): string => `'${name.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  try {
    const columns = await session.rows(
      "select COLUMN_NAME as name from information_schema.COLUMNS where TABLE_SCHEMA = 'mysql' and TABLE_NAME = 'user'",
    );
    const roles = columns.some(({ name }) => String(name).toLowerCase() === 'is_role');
    const users = await session.rows<{ user: string; host: string; role: string }>(
      `select User as user, Host as host, ${roles ? 'is_role' : "'N'"} as role from mysql.user order by 3 desc, 1, 2`,
    );
    const made: string[] = [];
    const granted: string[] = [];
    for (const { user, host, role } of users) {
      if (ITS_OWN.has(user)) continue;
      const who = role === 'Y' ? quote(user) : `${quote(user)}@${quote(host)}`;
      if (role === 'Y') made.push(`CREATE ROLE IF NOT EXISTS ${who};`);
      else {
        const [create] = await session.rows(`show create user ${who}`);
        const statement = String(Object.values(create ?? {})[0]);
        made.push(`${statement.replace(/^CREATE USER (?!IF NOT EXISTS)/, 'CREATE USER IF NOT EXISTS ')};`);
      }
      for (const row of await session.rows(`show grants for ${who}`)) {
        const grant = String(Object.values(row)[0]);
        if (!ROOTS_OWN.test(grant)) granted.push(`${grant};`);
      }
    }
    return `${[...made, ...granted].join('\n')}\n`;
  } catch (thrown) {
    if (StewardError.from(thrown).code !== 'FORBIDDEN') throw thrown;
    return undefined;
  }
}
