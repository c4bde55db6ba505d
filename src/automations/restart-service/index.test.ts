import { describe, expect, it } from 'vitest';
import type { Trigger } from '../../core/actor.ts';
import type { LaunchRecipe, Resource } from '../../core/resource.ts';
import { fakeChecks } from '../../testing/fakes/fake-checks.ts';
import { fakeDocker } from '../../testing/fakes/fake-docker.ts';
import { aResource, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import { fakeProber } from '../../testing/fakes/fake-prober.ts';
import { fakeProcesses } from '../../testing/fakes/fake-processes.ts';
import { fakeRecipes } from '../../testing/fakes/fake-recipes.ts';
import { fakeSystemd } from '../../testing/fakes/fake-systemd.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import restartService from './index.ts';

const recipe: LaunchRecipe = {
  argv: ['node', 'app.js'],
  executable: '/usr/bin/node',
  cwd: '/srv/app',
  uid: 1000,
  gid: 1000,
};
const endpoints = [{ protocol: 'tcp' as const, address: '127.0.0.1', port: 8080 }];

/** A machine with one service `web` and a clock that moves on with every look at it. */
function machine(part: Partial<Resource> = {}) {
  let ticks = Date.parse('2026-03-01T12:00:00Z');
  const now = (): Date => new Date((ticks += 1_000));
  const [docker, systemd, processes, prober] = [
    fakeDocker({ now }),
    fakeSystemd({ now }),
    fakeProcesses({ now }),
    fakeProber(),
  ];
  systemd.add('web.service');
  const web = aResource({
    id: 'svc_web',
    name: 'web',
    endpoints,
    supervisor: { kind: 'systemd', unit: 'web.service', scope: 'system' },
    ...part,
  });
  const inventory = fakeInventory([web]);
  const checks = fakeChecks();
  const recipes = fakeRecipes({ processes });
  if (web.supervisor.kind === 'process') recipes.keep('svc_web', recipe);
  const ports = { docker, systemd, processes, prober, checks, recipes, inventory };
  const restart = (options: { trigger?: Trigger; dryRun?: boolean; beforeApply?: () => void } = {}) =>
    performInMemory(restartService, {
      ports,
      now,
      input: { service: 'web', graceSeconds: 0, settleSeconds: 0 },
      ...options,
    });
  return { ...ports, web, restart };
}

const bare = (labels: Record<string, string> = { 'steward.restart': 'process' }) =>
  machine({ supervisor: { kind: 'process', recipe }, labels });

describe('restart-service', () => {
  it('restarts a crashed unit and shows who answers now', async () => {
    const { systemd, restart } = machine();
    systemd.crash('web.service');

    const run = await restart({ trigger: 'healing' });

    expect(run).toMatchObject({
      status: 'succeeded',
      output: { service: 'web', supervisor: 'systemd', restarted: true },
    });
    expect(run.checks.map(({ name, ok }) => [name, ok])).toEqual([
      ['web runs anew', true],
      ['tcp 127.0.0.1:8080 answers', true],
      ['unit web.service answers', true],
    ]);
    expect(systemd.restarts).toHaveLength(1);
  });

  it('touches nothing in a dry run and says what it would do', async () => {
    const { systemd, restart } = machine();
    const run = await restart({ dryRun: true });
    expect(run.plan).toMatchObject([{ id: 'restart', title: 'Restart web.service', undo: 'none' }]);
    expect(systemd.restarts).toEqual([]);
  });

  it.each(['ignored', 'crashes'] as const)('fails where systemd says yes and the restart %s', async (behavior) => {
    const { systemd, restart } = machine();
    systemd.onRestart('web.service', behavior);
    expect(await restart()).toMatchObject({
      status: 'failed',
      error: { phase: 'verify', code: 'VERIFICATION_FAILED' },
    });
  });

  it('fails where the process is new and the service does not answer', async () => {
    const { prober, restart } = machine();
    prober.answer({ kind: 'tcp', host: '127.0.0.1', port: 8080 }, { state: 'down', message: 'connection refused' });
    const run = await restart();
    expect(run).toMatchObject({ status: 'failed' });
    expect(run.checks.filter(({ ok }) => !ok)).toMatchObject([
      { name: 'tcp 127.0.0.1:8080 answers', evidence: { message: 'connection refused' } },
    ]);
  });

  it('asks what monitoring asks, with what the owner expects of the answer', async () => {
    const { prober, checks, restart } = machine();
    const health = {
      kind: 'http' as const,
      url: 'http://127.0.0.1:8080/health',
      expectStatus: [204],
      headers: { authorization: 'Bearer abcdefgh12345678' },
      followRedirects: false,
      insecure: false,
    };
    checks.configure('svc_web', [{ ...health, timeout: '2s' }]);
    const run = await restart();
    expect(run.checks.map(({ name }) => name)).toEqual([
      'web runs anew',
      'http://127.0.0.1:8080/health answers',
      'unit web.service answers',
    ]);
    // What the plan keeps is without the secret; what is sent is not.
    expect(JSON.stringify(run.facts)).not.toContain('abcdefgh12345678');
    for (const probe of prober.probes.filter(({ kind }) => kind === 'http')) expect(probe).toEqual(health);
    prober.answer(health, { state: 'down', message: 'HTTP 200, expected 204' });
    expect(await restart()).toMatchObject({ status: 'failed', error: { code: 'VERIFICATION_FAILED' } });
  });

  it('asks a port that did not come back, though discovery no longer sees it', async () => {
    const { restart: _, web, ...ports } = machine();
    const systemd = {
      ...ports.systemd,
      async restart(...request: Parameters<typeof ports.systemd.restart>) {
        await ports.systemd.restart(...request);
        ports.inventory.put({ ...web, endpoints: [] });
        ports.prober.answer({ kind: 'tcp', host: '127.0.0.1', port: 8080 }, { state: 'down' });
      },
    };
    const input = { service: 'web', graceSeconds: 0, settleSeconds: 0 };
    const run = await performInMemory(restartService, { ports: { ...ports, systemd }, input });
    expect(run).toMatchObject({ status: 'failed', error: { message: expect.stringContaining('tcp 127.0.0.1:8080') } });
  });

  it('does not restart twice when it is asked again after its restart happened', async () => {
    const { systemd, ...ports } = machine();
    let interrupted = false;
    const cutOff = {
      ...systemd,
      async restart(...request: Parameters<typeof systemd.restart>) {
        await systemd.restart(...request);
        // As after kill -9: it happened, and nobody was told.
        if (!interrupted) throw Object.assign(new Error('the connection was lost'), (interrupted = true));
      },
    };
    const facts = await restartService.analyze(context({ ...ports, systemd: cutOff }));
    const again = { facts, receipts: new Map(), attempt: 1 };
    const [change] = await restartService.plan(context({ ...ports, systemd: cutOff }), facts);
    if (!change) throw new Error('There is a change to make.');
    await expect(restartService.execute(context({ ...ports, systemd: cutOff }), change, again)).rejects.toThrow(
      'the connection was lost',
    );
    expect(
      await restartService.execute(context({ ...ports, systemd: cutOff }), change, { ...again, attempt: 2 }),
    ).toEqual({ restarted: false });
    expect(systemd.restarts).toHaveLength(1);
  });

  it('restarts a container, and finds it under its name after it was created again', async () => {
    const { docker, restart } = machine({ supervisor: { kind: 'docker', container: 'a-former-one', name: 'web' } });
    docker.run('web');
    docker.crash('web', 137);
    expect(await restart({ trigger: 'healing' })).toMatchObject({
      status: 'succeeded',
      output: { supervisor: 'docker' },
    });
    expect(docker.restarts).toHaveLength(1);
  });

  it('asks a container at what it publishes, not at an address that the restart gave away', async () => {
    const { docker, restart } = machine({
      supervisor: { kind: 'docker', container: 'web', name: 'web' },
      endpoints: [...endpoints, { protocol: 'tcp', address: '172.17.0.2', port: 9000 }],
    });
    docker.run('web');
    expect((await restart()).checks.map(({ name }) => name)).toEqual([
      'web runs anew',
      'tcp 127.0.0.1:8080 answers',
      'container web answers',
    ]);
  });

  it('does not let healing start what was stopped on purpose, but a person', async () => {
    const { systemd, restart } = machine();
    systemd.stop('web.service');
    expect(await restart({ trigger: 'healing' })).toMatchObject({
      status: 'failed',
      error: { phase: 'validate', message: expect.stringContaining('was not stopped on purpose') },
    });
    expect(systemd.restarts).toEqual([]);
    expect(await restart({ trigger: 'cli' })).toMatchObject({ status: 'succeeded' });
  });

  it('notices that it was stopped on purpose while a person thought about the plan', async () => {
    const { systemd, restart } = machine();
    systemd.crash('web.service');
    expect(await restart({ trigger: 'healing', beforeApply: () => systemd.stop('web.service') })).toMatchObject({
      status: 'stale',
    });
    expect(systemd.restarts).toEqual([]);
  });

  it.each([
    ['a foreign supervisor', { supervisor: { kind: 'foreign', name: 'pm2' } }, 'something that Steward drives'],
    ['no supervisor', { supervisor: { kind: 'none' } }, 'something that Steward drives'],
    ['a resource nobody adopted', { adoption: 'pending' }, 'may be acted on'],
    ['a process without consent', { supervisor: { kind: 'process', recipe } }, 'The owner lets Steward restart'],
    [
      'a process that wrote a title over its arguments',
      { supervisor: { kind: 'none', reason: 'It wrote a title over its arguments.' } },
      'something that Steward drives',
    ],
  ] as [string, Partial<Resource>, string][])('refuses %s', async (_what, part, reason) => {
    const { restart, processes } = machine(part);
    expect(await restart()).toMatchObject({
      status: 'failed',
      error: { phase: 'validate', message: expect.stringContaining(reason) },
    });
    expect(processes.launches).toEqual([]);
  });

  it('names a service that it does not know', async () => {
    const { docker, systemd, processes, prober, checks, recipes, inventory } = machine();
    const run = await performInMemory(restartService, {
      ports: { docker, systemd, processes, prober, checks, recipes, inventory },
      input: { service: 'nobody' },
    });
    expect(run).toMatchObject({
      status: 'failed',
      error: { code: 'NOT_FOUND', message: expect.stringContaining("'nobody'") },
    });
  });
});

describe('restart-service, a bare process', () => {
  it('starts it again as it was started, with what was kept, of which nothing is in facts, plan or output', async () => {
    const { processes, recipes, restart } = bare();
    const whole = { ...recipe, argv: [...recipe.argv, '--token', 'hunter2'] };
    recipes.keep('svc_web', whole, { env: { DB: 'swordfish' }, part: { shown: recipe, fingerprint: 'f1' } });
    const run = await restart({ trigger: 'healing' });
    expect(run).toMatchObject({ status: 'succeeded', output: { supervisor: 'process', restarted: true } });
    expect(processes.launches).toMatchObject([{ recipe: whole, env: { DB: 'swordfish' } }]);
    expect(run.facts).toMatchObject({ recipe: { variables: ['DB'] } });
    expect(JSON.stringify(run)).not.toMatch(/hunter2|swordfish/);
  });

  it('refuses where nothing is kept, or what is kept does not open any more, and says what to do', async () => {
    const lost = { message: 'It was sealed with another key.', hint: 'Put the former one back.' };
    const closed = bare();
    closed.recipes.keep('svc_web', recipe, { part: { problem: lost } });
    const nothing = bare();
    nothing.recipes.forget('svc_web');
    for (const [{ restart, processes }, words] of [
      [closed, /Put the former one back/],
      [nothing, /Start it by hand/],
    ] as const) {
      const run = await restart();
      expect(run).toMatchObject({ status: 'failed', error: { phase: 'validate' } });
      expect(JSON.stringify(run.checks)).toMatch(words);
      expect(processes.launches).toEqual([]);
    }
  });

  it('asks again where another recipe is kept than when the plan was made', async () => {
    const { recipes, processes, restart } = bare();
    const other = { ...recipe, argv: ['node', 'other.js'] };
    expect(await restart({ beforeApply: () => recipes.keep('svc_web', other) })).toMatchObject({ status: 'stale' });
    expect(processes.launches).toEqual([]);
  });

  it('ends a frozen one first, and only that very process', async () => {
    const { processes, restart } = bare();
    const frozen = processes.start(recipe.argv, { executable: recipe.executable, cwd: recipe.cwd, uid: recipe.uid });
    const bystander = processes.start(recipe.argv, {
      executable: recipe.executable,
      cwd: '/srv/other',
      uid: recipe.uid,
    });
    processes.freeze(frozen.pid);
    const run = await restart();
    expect(run.plan.map(({ id }) => id)).toEqual(['end', 'start']);
    expect(run.status).toBe('succeeded');
    expect(await processes.get(frozen.pid)).toBeUndefined();
    expect(await processes.get(bystander.pid)).toBeDefined();
    expect(processes.launches).toHaveLength(1);
  });

  it('fails where it ends as soon as it is started', async () => {
    const { processes, restart } = bare();
    processes.onLaunch('ends');
    expect(await restart()).toMatchObject({ status: 'failed', error: { phase: 'verify' } });
  });

  it('says so where it cannot be started', async () => {
    const { processes, restart } = bare();
    processes.onLaunch('refused');
    expect(await restart()).toMatchObject({ status: 'failed', error: { phase: 'execute', code: 'PROGRAM_FAILED' } });
  });
});

type RestartContext = Parameters<typeof restartService.analyze>[0];
function context(ports: RestartContext['ports']): RestartContext {
  return {
    input: { service: 'web', graceSeconds: 0, settleSeconds: 0 },
    ports,
    signal: new AbortController().signal,
    now: () => new Date(),
    run: { id: 'run_1', trigger: 'healing' },
  } as unknown as RestartContext;
}
