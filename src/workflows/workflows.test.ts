import { describe, expect, it } from 'vitest';
import { automations } from '../automations/index.ts';
import { createCatalog } from '../core/catalog.ts';
import { EVENTS } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import { Schedule } from '../core/schedule.ts';
import type { WorkflowCall } from '../core/workflow.ts';
import { workflows } from './index.ts';

const all = workflows();
const scheduleOf = (name: string) =>
  all
    .find((workflow) => workflow.name === name)
    ?.triggers.map((trigger) => (trigger.kind === 'schedule' ? trigger.schedule.cron : trigger.event));

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
    const steps = all
      .filter(({ triggers }) => triggers.some(({ kind }) => kind === 'event'))
      .flatMap((one) => one.steps);
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

  it('clean up temporary files at 03:30 without counting as a core workflow', () => {
    expect(all.find(({ name }) => name === 'cleanup_temp_files')?.origin).toBe('system');
    expect(scheduleOf('cleanup_temp_files')).toEqual(['30 3 * * *']);
  });

  it('fit into one catalog with the automations', () => {
    expect(createCatalog({ automations: automations(), operations: [], workflows: all }).workflows.size).toBe(7);
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
