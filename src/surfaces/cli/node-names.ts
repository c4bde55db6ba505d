import { request, type Server } from './client.ts';
import { rowsOf } from './print.ts';

/** A list for people: its column `node` says what the machine is called, not which id it has. */
export async function withNodeNames(
  answer: unknown,
  columns: readonly string[] | undefined,
  server: Server | undefined,
): Promise<unknown> {
  const rows = rowsOf(answer) as readonly Readonly<Record<string, unknown>>[] | undefined;
  if (!server || !rows || rows.length === 0 || !columns?.includes('node')) return answer;
  // A list that cannot be named is shown all the same.
  const nodes = await request(server, 'GET', '/api/v1/registry-nodes').catch(() => undefined);
  const named = (rowsOf(nodes?.body) ?? []) as readonly { readonly id: string; readonly name: string }[];
  const nameOf = new Map(named.map(({ id, name }) => [id, name]));
  const items = rows.map((row) => ({ ...row, node: nameOf.get(String(row['node'])) ?? row['node'] }));
  return Array.isArray(answer) ? items : { ...(answer as object), items };
}
