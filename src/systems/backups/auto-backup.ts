import { z } from 'zod';
import type { Trigger } from '../../core/actor.ts';
import { retentionOf } from '../../core/backup/retention.ts';
import { targetKinds } from '../../core/backup/targets.ts';
import { BackupSchedule, CADENCES } from '../../core/backup/schedule.ts';
import { type AnyOperation, defineCommand } from '../../core/operation.ts';
import type { JsonObject } from '../../core/json.ts';
import type { BackupsDeps } from './deps.ts';

const WORKFLOW = 'auto_backup';

/** Whether it is so already; otherwise what makes it so. Nobody changes the configuration but who owns it. */
function answered(wanted: BackupSchedule, inForce: BackupSchedule): string {
  const { says } = CADENCES[inForce];
  if (CADENCES[wanted].says === says) return `It is in force: ${says}.`;
  return `In force is ${inForce}: ${says}. To change it, set backups.schedule to ${wanted} in steward.yaml, with which ${CADENCES[wanted].says}; it takes effect at once.`;
}

/** Back up, prove, restore, prune: the chain of the schedule, at once and as somebody wants it. */
export function autoBackup({
  workflows,
  backups,
  settings,
}: Pick<BackupsDeps, 'workflows' | 'backups' | 'settings'>): AnyOperation {
  return defineCommand({
    name: 'auto-backup',
    title: 'Back up, prove and prune',
    summary:
      'Copies what the configuration names, reads and restores the copies, and removes those that retention lets go; each step by its policy.',
    permission: 'operate',
    toolset: 'default',
    input: z.object({
      targets: z
        .array(z.string().min(1).max(50))
        .min(1)
        .max(20)
        .optional()
        .describe(
          'Kinds of sources: postgresql, mariadb, sqlite, redis, docker-volumes, files, certificates, steward.',
        ),
      schedule: BackupSchedule.optional().describe(
        'Asks whether it happens so by itself, and how to have it so; it is started once in any case.',
      ),
      verify: z.boolean().default(true).describe('Reads the new copies again and restores one of them.'),
      test_restore: z.boolean().default(false).describe('Restores all of them into throw-away places.'),
      rotate: z
        .string()
        .refine((text) => retentionOf(text) !== undefined, 'expected a number of days such as 30d')
        .optional()
        .describe('30d: what is older goes, except the last proven copy. By default what the configuration says.'),
      remote_copy: z
        .boolean()
        .default(true)
        .describe('Also to the repositories on other machines; otherwise only to folders of this one.'),
      dryRun: z.boolean().default(false).describe('Plans each step and changes nothing.'),
    }),
    output: z.object({
      execution: z.string().describe('Id of the chain; workflow-executions shows how far it is.'),
      status: z.string(),
      schedule: z.string().optional().describe('What is in force, and how to change it.'),
    }),
    examples: [
      { title: 'All databases, proven by restoring them', input: { targets: ['postgresql'], test_restore: true } },
    ],
    async handle({ targets, schedule, verify, test_restore, rotate, remote_copy, dryRun }, { actor, trigger, from }) {
      if (targets) targetKinds(targets);
      const local = backups.repositories().filter(({ kind }) => kind === 'directory');
      const context: JsonObject = {
        verify,
        test_restore,
        ...(targets && { targets }),
        ...(rotate !== undefined && { rotate }),
        ...(!remote_copy && { repositories: local.map(({ name }) => name) }),
      };
      const started: Trigger = trigger ?? (from === 'local' ? 'cli' : 'api');
      const { id, status } = await workflows.execute(WORKFLOW, { context, dryRun, trigger: started, actor });
      return { execution: id, status, ...(schedule && { schedule: answered(schedule, settings().schedule) }) };
    },
  });
}
