import { describe, expect, it } from 'vitest';
import { readEnvironment } from '../../config/environment.ts';
import type { Actor, Role } from '../../core/actor.ts';
import { describeCatalog } from '../../describe.ts';
import { memoryLog } from '../../testing/log.ts';
import type { McpDeps } from './deps.ts';
import { atMostAgent } from './http.ts';
import { createToolbox } from './toolbox.ts';

const catalog = describeCatalog(readEnvironment({ STEWARD_HOME: '/nonexistent' }));
const nothing = (): never => {
  throw new Error('a list asks nobody');
};
const deps: McpDeps = {
  catalog,
  runs: new Proxy({} as McpDeps['runs'], { get: nothing }),
  audit: { append: nothing },
  page: () => undefined,
  runbooks: [],
  version: '0',
  now: () => new Date(0),
  log: memoryLog(),
};
const toolbox = createToolbox(deps);
const actor = (role: Role): Actor => atMostAgent({ kind: 'token', id: 'token:t', name: 't', role });
const all = toolbox.list(toolbox.choose('all', false), actor('agent'));

/** As tokenizers of models cut text: words in pieces of a few letters, numbers in threes, signs one by one. */
function tokens(text: string): number {
  const words = text.match(/[A-Za-z]+|\d{1,3}|[^\sA-Za-z\d]/g) ?? [];
  return words.reduce((sum, word) => sum + (/^[A-Za-z]/.test(word) ? Math.ceil(word.length / 6) : 0.6), 0);
}

describe('the default list of tools', () => {
  const text = JSON.stringify(toolbox.list(toolbox.choose(undefined, false), actor('agent')));

  it('is small enough to be sent with every conversation', () => {
    expect(text.length).toBeLessThan(15_000);
    expect(text.length / 4).toBeLessThan(4_000);
    expect(tokens(text)).toBeLessThan(4_000);
  });

  it('has the automations and chains that have a name for assistants, and no name without one', () => {
    const automations = [...catalog.automations.values()].flatMap(({ mcpName }) => mcpName ?? []);
    const chains = [...catalog.operations.keys()].filter((name) => name.startsWith('auto-'));
    const named = [...automations, ...chains.map((name) => name.replaceAll('-', '_'))];
    const listed = all.map(({ name }) => name).filter((name) => name.startsWith('auto_'));
    expect(listed.toSorted()).toEqual(named.toSorted());
    expect(named).toEqual(expect.arrayContaining(['auto_monitor_service', 'auto_backup']));
  });

  it('carries the policy wherever something is changed', () => {
    const changing = toolbox
      .list(toolbox.choose(undefined, false), actor('agent'))
      .filter(({ name, annotations }) => annotations?.readOnlyHint !== true && name !== 'run_cancel');
    expect(changing.map(({ name }) => name)).toContain('automation_run');
    for (const { name, description } of changing) expect(description, name).toContain('MANDATORY');
  });
});

describe('every tool', () => {
  it('says what it is in all four hints, and what it takes and gives', () => {
    expect(all.length).toBeGreaterThan(25);
    for (const { name, title, description, annotations, inputSchema, outputSchema } of all) {
      expect(name).toMatch(/^[a-z][a-z0-9_]{1,60}$/);
      expect(title, name).toBeTruthy();
      expect(description, name).toBeTruthy();
      expect(
        Object.values(annotations ?? {}).map((hint) => typeof hint),
        name,
      ).toEqual(Array(4).fill('boolean'));
      if (annotations?.readOnlyHint) expect(annotations.destructiveHint, name).toBe(false);
      expect(inputSchema.type, name).toBe('object');
      expect(outputSchema?.type, name).toBe('object');
    }
  });

  it('is kept from assistants where it would decide in place of a person', () => {
    const names = new Set(all.map(({ name }) => name));
    for (const operation of catalog.operations.values()) {
      if (operation.kind === 'command' && (operation.noAgents || operation.personOnly || operation.personOrMachine))
        expect(names, operation.name).not.toContain(operation.name.replaceAll('-', '_'));
      if (operation.permission === 'administer' || operation.permission === 'audit')
        expect(names, operation.name).not.toContain(operation.name.replaceAll('-', '_'));
    }
  });

  it('only looks, where that was asked for', () => {
    const reading = toolbox.list(toolbox.choose('all', true), actor('agent'));
    expect(reading.every(({ annotations }) => annotations?.readOnlyHint === true)).toBe(true);
    expect(reading.length).toBeLessThan(all.length);
    for (const { name } of all.filter((tool) => !reading.some((each) => each.name === tool.name)))
      expect(() => toolbox.find(name, toolbox.choose('all', true)), name).toThrow('only reads');
  });

  it('is not listed to whoever may not use it', () => {
    const scoped: Actor = atMostAgent({ ...actor('admin'), role: 'admin', scope: { operations: ['incident*'] } });
    const names = toolbox.list(toolbox.choose('all', false), scoped).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['incidents', 'incident_get', 'automation_run']));
    expect(names).not.toContain('services');
  });
});

describe('a toolset', () => {
  it('that nobody knows is refused with those there are', () => {
    expect(() => toolbox.choose('incidents,nonsense', false)).toThrow('no toolset nonsense');
    expect(toolbox.toolsets).toEqual(
      expect.arrayContaining(['default', 'incidents', 'discovery', 'workflows', 'runs']),
    );
    expect(toolbox.toolsets).not.toContain('other');
  });
});

describe('an actor of MCP', () => {
  it.each([
    ['admin', ['read', 'operate']],
    ['operator', ['read', 'operate']],
    ['agent', ['read', 'operate']],
    ['viewer', ['read']],
    ['auditor', ['read']],
  ] as const)('with a token of the role %s is an agent with %j', (role, permissions) => {
    expect(atMostAgent({ kind: 'user', id: 'u', name: 'u', role, session: 's' })).toEqual({
      kind: 'user',
      id: 'u',
      name: 'u',
      role: 'agent',
      scope: { permissions },
    });
  });

  it('keeps the scope of the token', () => {
    const scope = { permissions: ['read' as const], operations: ['runs'] };
    expect(atMostAgent({ kind: 'token', id: 't', name: 't', role: 'admin', scope }).scope).toEqual(scope);
  });
});
