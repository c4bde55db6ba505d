import { z } from 'zod';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { Bytes, Doing } from '../../../core/backup/store.ts';
import { partOf } from '../contents.ts';
import type { PgSession } from './access.ts';

export const ABOUT_PART = 'databases.json';

/** What the dump of a database does not say, and a restore under another name needs. */
const AboutDatabase = z.object({
  name: z.string(),
  owner: z.string(),
  encoding: z.string(),
  collate: z.string(),
  ctype: z.string(),
  icu: z.string().nullable().describe('The locale of ICU, where that sorts.'),
  connections: z.number().int(),
  settings: z.array(z.object({ role: z.string().nullable(), name: z.string(), value: z.string() })),
  grants: z.array(z.object({ role: z.string().nullable(), privilege: z.string(), grantable: z.boolean() })).nullable(),
  dump: z.string().describe('Name of the part.'),
  /** Restored between the rows and the keys: tables of which some columns were left out. */
  partly: z.string().nullable(),
  bytes: z
    .number()
    .optional()
    .describe('What it took on the disk of its server, indexes included; older copies do not say.'),
  withoutRows: z.array(z.string()),
  withoutColumns: z.array(z.object({ table: z.string(), columns: z.array(z.string()) })),
});
export type AboutDatabase = z.output<typeof AboutDatabase>;

const About = z.object({
  version: z.string(),
  hash: z.enum(['record', 'text']).describe('How rows were hashed.'),
  databases: z.array(AboutDatabase),
});
export type About = z.output<typeof About>;

const DATABASE = `select pg_catalog.pg_get_userbyid(d.datdba) as owner, pg_catalog.pg_encoding_to_char(d.encoding) as encoding,
    pg_catalog.pg_database_size(d.oid)::float8 as bytes,
    d.datcollate as collate, d.datctype as ctype, d.datconnlimit as connections, to_jsonb(d)->>'datlocprovider' as provider,
    coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale') as icu,
    (select coalesce(json_agg(json_build_object('role', r.rolname, 'name', split_part(setting, '=', 1),
        'value', substr(setting, strpos(setting, '=') + 1))), '[]')
      from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_roles r on r.oid = s.setrole, unnest(s.setconfig) setting
      where s.setdatabase = d.oid) as settings,
    (select json_agg(json_build_object('role', r.rolname, 'privilege', a.privilege_type, 'grantable', a.is_grantable))
      from pg_catalog.aclexplode(d.datacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee) as grants
  from pg_catalog.pg_database d where d.datname = current_database()`;

type Properties = Omit<AboutDatabase, 'name' | 'dump' | 'partly' | 'withoutRows' | 'withoutColumns'>;

export async function propertiesOf(session: PgSession): Promise<Properties> {
  const [found] = await session.rows<Properties & { provider: string | null }>(DATABASE);
  if (!found) throw new Error('a session is always in a database');
  const { provider, icu, ...properties } = found;
  return { ...properties, icu: provider === 'i' ? icu : null };
}

/** The database that somebody means who names none: the one that is always there is rarely what a server is for. */
export function mainDatabase(databases: readonly AboutDatabase[]): AboutDatabase | undefined {
  return databases.find(({ name }) => name !== 'postgres') ?? databases[0];
}

export async function* aboutText(about: About): Bytes {
  yield Buffer.from(`${JSON.stringify(about, null, 2)}\n`);
}

export async function readAbout(copy: SealedCopy, doing: Doing): Promise<About> {
  const part = partOf(copy, ({ name }) => name === ABOUT_PART, 'what its databases were like');
  const chunks: Uint8Array[] = [];
  for await (const chunk of copy.store.read(copy.location, part, doing)) chunks.push(chunk);
  return About.parse(JSON.parse(Buffer.concat(chunks).toString()));
}
