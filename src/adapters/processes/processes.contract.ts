import { defined } from '../../testing/defined.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProcessesPort } from '../../core/ports/processes.ts';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import type { LaunchRecipe } from '../../core/resource.ts';

/** A world with processes, whoever runs them. */
export interface ProcessesWorld {
  readonly processes: ProcessesPort;
  /** A process that runs until it is ended. Gives its pid. */
  start(): Promise<number>;
  freeze(pid: number): Promise<void>;
  /** Resolves when it is gone. */
  gone(process: ProcessIdentity): Promise<void>;
  /** A recipe of something that runs until it is ended, and where its output goes. */
  readonly recipe: LaunchRecipe;
  readonly outputPath: string;
  close(): Promise<void>;
}

/** What whoever implements ProcessesPort promises. */
export function processesContract(name: string, create: () => Promise<ProcessesWorld>): void {
  describe(name, () => {
    let world: ProcessesWorld;
    beforeAll(async () => {
      world = await create();
    });
    afterAll(() => world?.close());

    it('tells of a process, alone and among all', async () => {
      const pid = await world.start();

      const found = await world.processes.get(pid);

      expect(found).toMatchObject({ pid, unit: undefined, container: undefined });
      expect(defined(found).argv.length).toBeGreaterThan(0);
      expect(defined(found).startedAt).toBeInstanceOf(Date);
      expect((await world.processes.list()).map((one) => one.pid)).toContain(pid);
    });

    it('knows nothing of a process that is not there', async () => {
      expect(await world.processes.get(4_194_304)).toBeUndefined();
      expect(await world.processes.capture({ pid: 4_194_304, startTicks: 1, bootId: 'b' }, [])).toEqual({
        unknown: 'gone',
      });
    });

    it('signals the very process, and no other that has its number', async () => {
      const found = defined(await world.processes.get(await world.start()));

      expect(await world.processes.signal({ ...found, startTicks: found.startTicks + 1 }, 'SIGKILL')).toBe(false);
      expect(await world.processes.signal({ ...found, bootId: 'before' }, 'SIGKILL')).toBe(false);
      expect(await world.processes.get(found.pid)).toBeDefined();

      expect(await world.processes.signal(found, 'SIGTERM')).toBe(true);
      await world.gone(found);
      expect(await world.processes.signal(found, 'SIGTERM')).toBe(false);
    });

    it('sees a frozen process and wakes it', async () => {
      const found = defined(await world.processes.get(await world.start()));

      await world.freeze(found.pid);
      expect(defined(await world.processes.get(found.pid)).state).toBe('T');

      await world.processes.signal(found, 'SIGCONT');
      expect(defined(await world.processes.get(found.pid)).state).not.toBe('T');
    });

    it('starts what a recipe says, as a process that runs', async () => {
      const identity = await world.processes.launch(world.recipe, {
        env: { KEPT: 'a b', OTHER: 'x' },
        outputPath: world.outputPath,
      });

      const found = defined(await world.processes.get(identity.pid));
      expect(found).toMatchObject({
        ...identity,
        argv: world.recipe.argv,
        executable: world.recipe.executable,
        cwd: world.recipe.cwd,
      });
      expect(await world.processes.capture(identity, ['KEPT', 'NEVER_SET'])).toEqual({
        recipe: world.recipe,
        environment: { KEPT: 'a b' },
      });
      expect(await world.processes.capture(identity, [])).toMatchObject({ environment: {} });

      await world.processes.signal(identity, 'SIGKILL');
      await world.gone(identity);
    });
  });
}
