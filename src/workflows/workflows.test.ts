import { describe, expect, it } from 'vitest';
import { automations } from '../automations/index.ts';
import type { BackupSchedule } from '../core/backup/schedule.ts';
import { createCatalog } from '../core/catalog.ts';
import { EVENTS } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import { Schedule } from '../core/schedule.ts';
import { ms } from '../core/duration.ts';
import { isMandatory, type WorkflowCall, workflowNamed } from '../core/workflow.ts';
import { workflows } from './index.ts';

const all = workflows();
const scheduleOf = (name: string) =>
  all
    .find((workflow) => workflow.name === name)
    ?.triggers.map((trigger) =>
      trigger.kind === 'schedule' ? (trigger.schedule.cron ?? `every ${trigger.schedule.every}`) : trigger.event,
    );

const call: WorkflowCall = {
  url: 'https://crm.example/users/{user.id}/workspace?by={plan}',
  method: 'POST',
  headers: { authorization: { env: 'CRM_TOKEN' } },
  timeout: '10s',
};
const configured = (context: JsonObject, given: WorkflowCall = call): JsonObject => {
  const step = workflows((workflow, id) => (workflow === 'on_user_register' && id === 'workspace' ? given : undefined))
    .find(({ name }) => name === 'on_user_register')
    ?.steps.find(({ id }) => id === 'workspace');
  if (typeof step?.input !== 'function' || step.skip?.({ context }) !== undefined)
    throw new Error('the step is skipped');
  return step.input({ context, outputs: new Map() });
};

describe('what the configuration gives a step to call', () => {
  it('is asked with the event as its body, members of it in the address', () => {
    const context = { user: { id: 'a/b&c' }, plan: 7 };
    expect(configured(context)).toEqual({
      url: 'https://crm.example/users/a%2Fb%26c/workspace?by=7',
      method: 'POST',
      headers: { authorization: { env: 'CRM_TOKEN' } },
      timeout: '10s',
      json: context,
    });
    expect(configured(context, { ...call, method: 'GET' })).not.toHaveProperty('json');
  });

  it.each([{}, { user: {} }, { user: { id: '..' } }, { user: { id: ['x'] } }, { user: { id: '' } }])(
    'is not asked where the event lacks what its address needs: %j',
    (context) => {
      expect(() => configured({ plan: 1, ...context })).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
    },
  );

  it('is nothing where nobody said anything, and the step says where to', () => {
    const steps = all.filter(({ name }) => name.startsWith('on_')).flatMap((one) => one.steps);
    expect(steps.map((step) => step.skip?.({ context: {} }))).toEqual(
      ['on_user_register.workspace', 'on_user_register.permissions', 'on_user_register.welcome']
        .concat(['on_content_publish.preview', 'on_content_publish.search', 'on_content_publish.webhooks'])
        .map((place) => `the configuration names nothing to call: workflows.${place}`),
    );
  });
});

describe('the workflows that ship', () => {
  it('are the six promised ones, at their promised times', () => {
    const core = all.filter(({ origin }) => origin === 'core').map(({ name }) => [name, ...(scheduleOf(name) ?? [])]);
    expect(core).toEqual([
      ['auto_backup', '0 */6 * * *'],
      ['health_check', '*/5 * * * *'],
      ['auto_optimize', '0 2 * * *'],
      ['auto_scale_check', '*/10 * * * *'],
      ['on_user_register', 'user.registered'],
      ['on_content_publish', 'content.published'],
    ]);
  });

  it.each([
    ['auto_backup', ['0 */6 * * *']],
    ['full_backup', ['0 3 * * *']],
    ['database_maintenance', ['workflow.finished']],
    ['optimize_database', ['0 0 * * 0']],
    ['backup_verification', ['0 5 * * *', '30 5 * * 0', '30 5 * * 1', '30 6 1 * *']],
    ['security_scanner', ['0 1 * * *', '0 23 * * 6']],
    ['renew_ssl', ['0 4 * * *', 'every 12h']],
    ['log_rotation_cleanup', ['0 2 * * *']],
    ['log_weekly_summary', ['0 8 * * 0']],
    ['auto_optimize', ['0 2 * * *']],
    ['cleanup_temp_files', ['30 3 * * *']],
    ['daily_health_check', ['0 6 * * *']],
    ['performance_report_generator', ['0 7 * * *', '0 8 * * 0']],
    ['weekly_summary', ['0 8 * * 0']],
    ['health_check', ['*/5 * * * *']],
    // The report of every five minutes is a job of the reports system: agent-monitoring.
    ['agent_restart_monitor', []],
    ['auto_scale_check', ['*/10 * * * *']],
    ['process_queued_jobs', ['*/15 * * * *']],
    ['api_tests', ['0 * * * *']],
    ['on_user_register', ['user.registered']],
    ['on_content_publish', ['content.published']],
  ])('%s starts at the promised times, in UTC', (name, expected) => {
    expect(scheduleOf(name)).toEqual(expected);
    for (const trigger of all.find((one) => one.name === name)?.triggers ?? [])
      if (trigger.kind === 'schedule') expect(trigger.schedule.zone ?? 'UTC').toBe('UTC');
  });

  it.each([
    ['every-6h', ['0 */6 * * *'], ['0 3 * * *']],
    ['hourly', ['0 0-2,4-23 * * *'], ['0 3 * * *']],
    ['daily', [], ['0 3 * * *']],
    ['weekly', [], ['0 3 * * 0']],
    ['daily-02:00', [], ['0 2 * * *']],
    ['daily-03:00', [], ['0 3 * * *']],
    ['before-maintenance', [], ['0 3 * * *']],
  ] as const)('make copies as the configuration in force says: %s', (chosen, databases, everything) => {
    let inForce: BackupSchedule = 'every-6h';
    const those = workflows(undefined, () => inForce);
    const crons = (name: string) =>
      those
        .find((one) => one.name === name)
        ?.triggers.map((trigger) =>
          trigger.kind === 'schedule' && 'cron' in trigger.schedule ? trigger.schedule.cron : '',
        );
    expect([crons('auto_backup'), crons('full_backup')]).toEqual([['0 */6 * * *'], ['0 3 * * *']]);
    inForce = chosen;
    expect([crons('auto_backup'), crons('full_backup')]).toEqual([databases, everything]);
  });

  it('keeps sessions and caches apart, each with the automation that its title promises', () => {
    expect(workflowNamed(all, 'auto_optimize')?.steps.map(({ id, automation }) => [id, automation])).toEqual([
      ['database', 'maintain-database'],
      ['sessions', 'clear-sessions'],
      ['caches', 'clear-caches'],
      ['storage', 'free-disk-space'],
    ]);
  });

  it('are all in the table of times', () => {
    expect(all.map(({ name }) => name).toSorted()).toHaveLength(21);
  });

  it('spread by at most a minute, and those that must not wait not at all', () => {
    for (const { name, priority, triggers } of all)
      for (const trigger of triggers) {
        if (trigger.kind !== 'schedule') continue;
        const jitter = ms(trigger.schedule.jitter ?? '0s');
        expect(jitter, name).toBeLessThanOrEqual(priority === 'P0' ? 0 : 60_000);
      }
  });

  it.each(['backup_postgres', 'health_check', 'renew_ssl'])(
    '%s is essential, and says what happens without it',
    (name) => expect(workflowNamed(all, name)).toMatchObject({ priority: 'P0', ifMissed: expect.stringMatching(/./) }),
  );
  it.each(['cleanup_temp_files', 'process_queued_jobs', 'optimize_database'])('%s keeps the machine in shape', (name) =>
    expect(workflowNamed(all, name)).toMatchObject({ priority: 'P1', ifMissed: expect.stringMatching(/./) }),
  );

  it.each([
    'daily-health-check',
    'log-rotation-cleanup',
    'database-maintenance',
    'certificate-renewal',
    'agent-restart-monitor',
    'performance-report-generator',
    'security-scanner',
    'backup-verification',
  ])('%s is found by that name', (name) => expect(workflowNamed(all, name)).toBeDefined());

  it('need a person when backups, security and certificates fail, and none when a report does', () => {
    const mandatory = all.filter(isMandatory).map(({ name }) => name);
    expect(mandatory).toEqual(expect.arrayContaining(['auto_backup', 'full_backup', 'security_scanner', 'renew_ssl']));
    for (const name of ['api_tests', 'log_weekly_summary', 'performance_report_generator'])
      expect(mandatory).not.toContain(name);
  });

  it('fit into one catalog with the automations', () => {
    expect(createCatalog({ automations: automations(), operations: [], workflows: all }).workflows.size).toBe(21);
  });

  it.each(all)('$name: schedules parse, events exist, step ids differ', ({ triggers, steps }) => {
    for (const trigger of triggers) {
      if (trigger.kind === 'schedule') expect(Schedule.safeParse(trigger.schedule).success).toBe(true);
      else expect(Object.keys(EVENTS)).toContain(trigger.event);
    }
    expect(new Set(steps.map(({ id }) => id)).size).toBe(steps.length);
  });

  it.each(all)('$name: gives every automation that is here an input it takes', ({ steps }) => {
    const here = new Map(automations().map((automation) => [automation.name, automation]));
    for (const step of steps) {
      const automation = here.get(step.automation ?? '');
      if (!automation || step.skip?.({ context: {} }) !== undefined) continue;
      const { input = {} } = step;
      const given = typeof input === 'function' ? input({ context: {}, outputs: new Map() }) : input;
      expect(automation.input.safeParse(given).success).toBe(true);
    }
  });
});
