import { describe, expect, it } from 'vitest';
import { automations } from '../automations/index.ts';
import { createCatalog } from '../core/catalog.ts';
import { EVENTS } from '../core/event.ts';
import { Schedule } from '../core/schedule.ts';
import { workflows } from './index.ts';

const all = workflows();
const scheduleOf = (name: string) =>
  all
    .find((workflow) => workflow.name === name)
    ?.triggers.map((trigger) => (trigger.kind === 'schedule' ? trigger.schedule.cron : trigger.event));

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
      const automation = here.get(step.automation);
      if (!automation) continue;
      expect(automation.input.safeParse(step.input?.({ context: {}, outputs: new Map() }) ?? {}).success).toBe(true);
    }
  });
});
