import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Actor } from './actor.ts';
import { Role, systemActor, Trigger } from './actor.ts';
import { decide, DEFAULT_POLICY } from './policy.ts';

const person: Actor = { kind: 'user', id: 'u1', name: 'ada', role: 'operator' };
const question = {
  automation: 'restart-service',
  effect: 'write',
  trigger: 'healing',
  actor: systemActor('healing'),
} as const;

describe('the default policy', () => {
  it('has an answer for every question', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Trigger.options),
        fc.constantFrom(...Role.options),
        fc.constantFrom('read' as const, 'write' as const, 'destructive' as const),
        fc.option(fc.boolean(), { nil: undefined }),
        fc.string(),
        (trigger, role, effect, reversible, automation) => {
          const rule = decide(DEFAULT_POLICY, { automation, effect, trigger, reversible, actor: { ...person, role } });

          if (effect === 'destructive') expect(rule.decision).toBe('propose');
          if (effect === 'write' && role === 'agent') expect(rule.decision).toBe('propose');
        },
      ),
    );
  });

  it('lets healing restart and do what loses nothing, and nothing else by itself', () => {
    expect(decide(DEFAULT_POLICY, question).decision).toBe('auto');
    expect(decide(DEFAULT_POLICY, { ...question, automation: 'call-http' }).decision).toBe('propose');
  });

  it('lets a schedule do only what can be taken back', () => {
    const scheduled = { ...question, automation: 'clean-temp-files', trigger: 'schedule' } as const;

    expect(decide(DEFAULT_POLICY, { ...scheduled, reversible: true }).decision).toBe('auto');
    expect(decide(DEFAULT_POLICY, { ...scheduled, reversible: false }).decision).toBe('propose');
    expect(decide(DEFAULT_POLICY, scheduled).decision).toBe('propose');
  });

  it("follows a configuration's row that stands before it", () => {
    const rules = [
      { id: 'mine', automation: ['restart-service'], decision: 'observe' as const, why: 'not here' },
      ...DEFAULT_POLICY,
    ];

    expect(decide(rules, question)).toMatchObject({ id: 'mine', decision: 'observe' });
  });

  it('lets no agent destroy by itself, whatever the configuration says', () => {
    const rules = [{ id: 'all', decision: 'auto' as const, why: 'trusting' }, ...DEFAULT_POLICY];
    const bot = { ...question.actor, role: 'agent' as const };

    expect(decide(rules, { ...question, actor: bot, effect: 'destructive' })).toMatchObject({
      id: 'agents-never-destroy',
      decision: 'propose',
    });
    expect(decide(rules, { ...question, actor: bot, effect: 'write' })).toMatchObject({ id: 'all' });
  });

  it('lets an agent do what cannot be taken back only where a row means agents', () => {
    const bot = { ...question, actor: { ...question.actor, role: 'agent' as const }, automation: 'call-http' };
    const calls = { id: 'calls', automation: 'call-http', decision: 'auto' as const, why: 'trusting' };
    const meant = { ...calls, role: 'agent' as const };

    expect(decide([calls, ...DEFAULT_POLICY], { ...bot, reversible: false })).toMatchObject({
      id: 'agents-only-where-meant',
      decision: 'propose',
    });
    expect(decide([calls, ...DEFAULT_POLICY], { ...bot, reversible: true })).toMatchObject({ id: 'calls' });
    expect(decide([meant, ...DEFAULT_POLICY], { ...bot, reversible: false })).toMatchObject({ decision: 'auto' });
    expect(decide([calls, ...DEFAULT_POLICY], { ...question, automation: 'call-http' })).toMatchObject({ id: 'calls' });
  });
});
