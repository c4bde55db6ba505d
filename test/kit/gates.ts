import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type pg from 'pg';
import { eventually } from './steward.ts';

/** A point at which Steward stands still, so that it can be killed there and nowhere else. */
export interface Gate {
  readonly what: string;
  close(): Promise<void>;
  /** Resolves once Steward stands there. */
  reached(): Promise<void>;
  /** Nobody stands there any more. What the store was asked for at this point never happens. */
  open(): Promise<void>;
}

const LOCK = 4711;
/** A crowded machine takes its time to start Steward again and to come here. */
const WITHIN_MS = 180_000;

/** Makes the store stop at statements that are named later. `client` stays connected; it holds what they wait for. */
export async function storeGates(client: pg.Client): Promise<(what: string, statement: string) => Gate> {
  await client.query(`create or replace function stand_still() returns trigger language plpgsql as $$
    begin perform pg_advisory_xact_lock_shared(${LOCK}); return new; end $$`);
  await client.query('select pg_advisory_lock($1)', [LOCK]);
  const waiting = async (): Promise<number[]> => {
    const { rows } = await client.query<{ pid: number }>(
      `select pid from pg_locks where locktype = 'advisory' and objid = $1 and not granted`,
      [LOCK],
    );
    return rows.map(({ pid }) => pid);
  };
  /** As in `before update of status on run_changes for each row when (new.status = 'done')`. */
  return (what, statement) => {
    const table = / on (\w+)/.exec(statement)?.[1] ?? '';
    return {
      what,
      close: async () =>
        void (await client.query(`create trigger stand_still ${statement} execute function stand_still()`)),
      reached: async () =>
        void (await eventually(what, async () => ((await waiting()).length > 0 ? true : undefined), WITHIN_MS)),
      async open() {
        for (const pid of await waiting()) await client.query('select pg_terminate_backend($1, 5000)', [pid]);
        await client.query(`drop trigger stand_still on ${table}`);
      },
    };
  };
}

/** Stands before programs in the PATH: one whose arguments have the word waits before it becomes the program. */
export function programGates(
  folder: string,
  programs: Readonly<Record<string, string>>,
): { readonly PATH: string; gate(program: string, word: string): Gate } {
  mkdirSync(folder);
  for (const [name, real] of Object.entries(programs)) {
    const [closed, taken] = [join(folder, `${name}.closed`), join(folder, `${name}.taken`)];
    const script = `#!/bin/sh
if [ -e '${closed}' ]; then
  case " $* " in *"$(cat '${closed}')"*)
    if mv '${closed}' '${taken}' 2>/dev/null; then while [ -e '${taken}' ]; do sleep 0.05; done; fi ;;
  esac
fi
exec ${real} "$@"
`;
    writeFileSync(join(folder, name), script);
    chmodSync(join(folder, name), 0o755);
  }
  return {
    PATH: [folder, process.env['PATH'] ?? ''].join(delimiter),
    gate(program, word) {
      const [closed, taken] = [join(folder, `${program}.closed`), join(folder, `${program}.taken`)];
      return {
        what: `${program} ${word}`,
        async close() {
          writeFileSync(`${closed}.new`, word);
          renameSync(`${closed}.new`, closed);
        },
        reached: async () =>
          void (await eventually(`${program} ${word}`, async () => (existsSync(taken) ? true : undefined), WITHIN_MS)),
        async open() {
          for (const path of [closed, taken]) rmSync(path, { force: true });
        },
      };
    },
  };
}
