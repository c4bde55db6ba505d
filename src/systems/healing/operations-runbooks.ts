import { sql } from 'kysely';
import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import { type AnyOperation, defineCommand, defineQuery } from '../../core/operation.ts';
import type { Runbook } from '../../core/runbook.ts';
import type { Store } from '../../store/store.ts';
import { attemptView, AttemptView } from './attempt-view.ts';
import type { Ledger } from './record.ts';
import type { HealingSettings } from './settings.ts';
import type { HealingTables } from './tables.ts';

export type RunbookProblems = () => readonly { readonly path: string; readonly message: string }[];

const Record = z.object({
  attempts: z.number().int().describe('That came to an end.'),
  helped: z.number().int().describe('After which the trouble stayed away.'),
  recurred: z.number().int().describe('That looked like it, and the trouble was back soon; they count as failed.'),
  successRate: z.number().nullable().describe('Share of the attempts that helped; null before there is one.'),
});

const RunbookView = z.object({
  name: z.string(),
  title: z.string(),
  heals: z.array(z.string()),
  order: z.number().int(),
  automation: z.string(),
  disruptive: z.boolean(),
  mayActItself: z.boolean().describe('Whether its record lets it act without a person; the policy still decides.'),
  autonomy: z.string().describe('The rule and the numbers behind that.'),
  ...Record.shape,
  source: z.string().describe('shipped, or the file that somebody added.'),
});

export interface RunbookOperationsDeps {
  readonly store: Store;
  readonly inventory: Inventory;
  readonly runbooks: () => readonly Runbook[];
  readonly runbookProblems?: RunbookProblems | undefined;
  readonly ledger: Ledger;
  readonly settings: () => HealingSettings;
}

/** What is known of each way to heal: what it does, how often it helped, what it may do by itself. */
export function runbookOperations(deps: RunbookOperationsDeps): AnyOperation[] {
  const { store, inventory, runbooks, runbookProblems = () => [], ledger, settings } = deps;
  const db = store.db.withTables<HealingTables>();

  const measured = async (by: 'runbook' | 'fingerprint', runbook?: string) => {
    const rows = await db
      .selectFrom('healing_attempts')
      .select([
        `${by} as key`,
        sql<number>`count(*)`.as('attempts'),
        sql<number>`count(*) filter (where status = 'succeeded' and recurred_at is null)`.as('helped'),
        sql<number>`count(*) filter (where recurred_at is not null)`.as('recurred'),
      ])
      .where('status', 'in', ['succeeded', 'failed'])
      .$if(runbook !== undefined, (query) => query.where('runbook', '=', runbook ?? ''))
      .groupBy(by)
      .orderBy('attempts', 'desc')
      .limit(500)
      .execute();
    return new Map(rows.map(({ key, ...row }) => [key, { ...row, successRate: row.helped / row.attempts }]));
  };
  const view = async (runbook: Runbook, records: Awaited<ReturnType<typeof measured>>) => {
    const { name, title, heals, order, automation, disruptive, source } = runbook;
    const { standing, why } = await ledger.standing(runbook, settings());
    return {
      name,
      title,
      heals,
      order,
      automation,
      disruptive,
      mayActItself: standing === 'auto',
      autonomy: why,
      ...(records.get(name) ?? { attempts: 0, helped: 0, recurred: 0, successRate: null }),
      source,
    };
  };
  const find = (name: string): Runbook => {
    const runbook = runbooks().find((each) => each.name === name);
    if (runbook) return runbook;
    throw new StewardError('NOT_FOUND', `There is no runbook '${name}'.`, { hint: 'See steward runbooks.' });
  };

  return [
    defineQuery({
      name: 'runbooks',
      title: 'Runbooks',
      summary: 'Lists the ways to heal: what each helps against, how often it did, and whether it may act by itself.',
      permission: 'read',
      cli: ['runbooks'],
      columns: ['name', 'heals', 'automation', 'mayActItself', 'helped', 'attempts', 'source'],
      input: z.object({
        heals: z.string().optional().describe('Only those against this trouble: disk.full, service.down.'),
      }),
      output: z.object({
        items: z.array(RunbookView),
        problems: z
          .array(z.object({ path: z.string(), message: z.string() }))
          .describe('Files that are not in force: where, and what is wrong.'),
      }),
      async handle({ heals }) {
        const records = await measured('runbook');
        const wanted = runbooks().filter(
          (runbook) => heals === undefined || runbook.heals.some((each) => each === heals),
        );
        return {
          items: await Promise.all(wanted.map((runbook) => view(runbook, records))),
          problems: [...runbookProblems()],
        };
      },
    }),

    defineQuery({
      name: 'runbook-get',
      title: 'A runbook',
      summary: 'Shows one runbook: when it is taken, what it does step by step, what it never touches, and its record.',
      permission: 'read',
      cli: ['runbook', 'show'],
      cliArguments: ['name'],
      input: z.object({ name: z.string().describe('Name of the runbook.') }),
      output: RunbookView.extend({
        needs: z.record(z.string(), z.json()).describe('What has to be true of the resource.'),
        input: z.record(z.string(), z.json()),
        tries: z.number().int(),
        cooldown: z.string(),
        never: z.array(z.string()),
        success: z.string(),
        steps: z.string().describe('What stands in its file, as it was written.'),
        onFingerprint: z.array(z.object({ fingerprint: z.string(), ...Record.shape })),
      }),
      async handle({ name }) {
        const runbook = find(name);
        const { needs, input, tries, cooldown, never, success, text } = runbook;
        const own = await measured('fingerprint', name);
        return {
          ...(await view(runbook, await measured('runbook'))),
          needs: given(needs),
          input,
          tries,
          cooldown,
          never,
          success,
          steps: text,
          onFingerprint: [...own].map(([fingerprint, record]) => ({ fingerprint, ...record })),
        };
      },
    }),

    defineQuery({
      name: 'remediations',
      title: 'Remediations',
      summary:
        'Lists every attempt to heal: on which trouble, by which runbook, how it ended, and whether that lasted.',
      permission: 'read',
      cli: ['remediations'],
      columns: ['startedAt', 'service', 'symptom', 'runbook', 'status', 'lasted', 'outcome'],
      input: z.object({
        runbook: z.string().optional().describe('Only of this runbook.'),
        fingerprint: z.string().optional().describe('Only on this trouble: disk.full:<resource>.'),
        resource: z.string().optional().describe('Only on the resource of this name or id.'),
        limit: z.coerce.number().int().min(1).max(500).default(50).describe('At most this many, the latest first.'),
      }),
      output: z.object({
        items: z.array(AttemptView),
        fingerprints: z
          .array(z.object({ fingerprint: z.string(), ...Record.shape }))
          .describe('How often it helped, by trouble.'),
      }),
      async handle({ runbook, fingerprint, resource, limit }) {
        const target = resource === undefined ? undefined : ((await inventory.resolve(resource))?.id ?? resource);
        const rows = await db
          .selectFrom('healing_attempts')
          .selectAll()
          .$if(runbook !== undefined, (query) => query.where('runbook', '=', runbook ?? ''))
          .$if(fingerprint !== undefined, (query) => query.where('fingerprint', '=', fingerprint ?? ''))
          .$if(target !== undefined, (query) => query.where('resource_id', '=', target ?? ''))
          .orderBy('id', 'desc')
          .limit(limit)
          .execute();
        const shown = new Set(rows.map((row) => row.fingerprint));
        const records = await measured('fingerprint', runbook);
        return {
          items: await Promise.all(rows.map((row) => attemptView(row, inventory))),
          fingerprints: [...records]
            .filter(([key]) => shown.has(key))
            .map(([key, record]) => ({ fingerprint: key, ...record })),
        };
      },
    }),

    defineCommand({
      name: 'forgive-runbook',
      title: 'Forgive a runbook',
      summary: 'Forgets the failures of a runbook, on one resource or everywhere, so that it is tried again.',
      permission: 'operate',
      noAgents: true,
      cli: ['runbook', 'forgive'],
      cliArguments: ['name'],
      input: z.object({
        name: z.string().describe('Name of the runbook.'),
        resource: z
          .string()
          .optional()
          .describe('Only on the resource of this name or id. Without it everywhere, its autonomy too.'),
      }),
      output: z.object({ runbook: z.string(), resource: z.string().nullable() }),
      async handle({ name, resource }, { actor }) {
        const runbook = find(name);
        const target = resource === undefined ? undefined : await inventory.resolve(resource);
        if (resource !== undefined && !target)
          throw new StewardError('NOT_FOUND', `Steward knows no '${resource}'.`, { hint: 'See steward services.' });
        await ledger.forgive(runbook.name, target?.id, actor.name);
        return { runbook: runbook.name, resource: target?.name ?? null };
      },
    }),
  ];
}

/** Without what says nothing. */
function given(needs: Runbook['needs']): Record<string, boolean | string[] | Record<string, string>> {
  return Object.fromEntries(
    Object.entries(needs).flatMap(([member, value]) =>
      value === undefined || value === false || (value !== true && Object.keys(value).length === 0)
        ? []
        : [[member, value]],
    ),
  );
}
