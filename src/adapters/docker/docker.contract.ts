import { defined } from '../../testing/defined.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerInfo, DockerPort } from '../../core/ports/docker.ts';

/** A world with containers, whoever plays the engine. */
export interface DockerWorld {
  readonly docker: DockerPort;
  /** A container that runs until something ends it. */
  run(name: string): Promise<string>;
  /** docker stop */
  stop(id: string): Promise<void>;
  /** Its main process ends with SIGKILL, and nobody told the engine. */
  crash(id: string): Promise<void>;
  /** It ends by itself with 0. */
  finish(id: string): Promise<void>;
  say(id: string, line: string): Promise<void>;
  close(): Promise<void>;
}

const signal = new AbortController().signal;

/** What whoever implements DockerPort promises. */
export function dockerContract(name: string, create: () => Promise<DockerWorld>): void {
  describe(name, () => {
    let world: DockerWorld;
    beforeAll(async () => {
      world = await create();
    });
    afterAll(() => world?.close());

    /** The engine needs a moment to notice an end. */
    async function ended(id: string): Promise<ContainerInfo> {
      for (;;) {
        const found = await world.docker.inspect(id);
        if (found?.state === 'exited') return found;
        await sleep(20);
      }
    }

    it('tells of a running container', async () => {
      const id = await world.run('plain');

      const listed = (await world.docker.containers()).find((one) => one.id === id);

      expect(listed).toMatchObject({
        name: 'plain',
        state: 'running',
        health: 'none',
        stoppedOnPurpose: false,
        oomKilled: false,
      });
      expect(defined(listed).pid).toBeGreaterThan(0);
      expect(defined(listed).startedAt).toBeInstanceOf(Date);
      expect(await world.docker.inspect('plain')).toEqual(await world.docker.inspect(id));
    });

    it('takes docker stop for a decision, whatever the exit code is', async () => {
      const id = await world.run('stopped');

      await world.stop(id);

      expect(await ended(id)).toMatchObject({ stoppedOnPurpose: true, pid: 0 });
    });

    it('takes a killed process for no decision', async () => {
      const id = await world.run('killed');

      await world.crash(id);

      expect(await ended(id)).toMatchObject({ stoppedOnPurpose: false, exitCode: 137 });
    });

    it('takes a clean exit for a decision', async () => {
      const id = await world.run('finished');

      await world.finish(id);

      expect(await ended(id)).toMatchObject({ stoppedOnPurpose: true, exitCode: 0 });
    });

    it('restarts one that runs: another process, a later start', async () => {
      const id = await world.run('again');
      const before = defined(await world.docker.inspect(id));
      await sleep(5);

      await world.docker.restart(id, { graceSeconds: 0, signal });

      const after = defined(await world.docker.inspect(id));
      expect(after).toMatchObject({ id, state: 'running', stoppedOnPurpose: false });
      expect(after.pid).not.toBe(before.pid);
      expect(defined(after.startedAt).getTime()).toBeGreaterThan(defined(before.startedAt).getTime());
    });

    it('starts one that was stopped, and forgets the decision', async () => {
      const id = await world.run('resumed');
      await world.stop(id);
      await ended(id);

      await world.docker.restart(id, { graceSeconds: 0, signal });
      expect(await world.docker.inspect(id)).toMatchObject({ state: 'running', stoppedOnPurpose: false });

      await world.crash(id);
      expect(await ended(id)).toMatchObject({ stoppedOnPurpose: false });
    });

    it('gives the last lines of the log', async () => {
      const id = await world.run('talking');
      for (const line of ['one', 'two', 'three']) await world.say(id, line);

      expect(await world.docker.logs(id, { tail: 2 })).toEqual(['two', 'three']);
    });

    it('measures what runs and nothing else', async () => {
      const id = await world.run('measured');

      const running = await world.docker.stats(id);
      await world.crash(id);
      await ended(id);

      expect(defined(running).memoryBytes).toBeGreaterThan(0);
      expect(defined(running).memoryLimitBytes).toBeGreaterThan(defined(running).memoryBytes);
      expect(await world.docker.stats(id)).toBeUndefined();
    });

    it('says that there is no such container', async () => {
      expect(await world.docker.inspect('nobody')).toBeUndefined();
      expect(await world.docker.stats('nobody')).toBeUndefined();
      await expect(world.docker.restart('nobody', { graceSeconds: 0, signal })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      await expect(world.docker.logs('nobody', { tail: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    it('restarts nothing for a caller that gave up', async () => {
      const id = await world.run('left-alone');
      const before = await world.docker.inspect(id);

      await expect(world.docker.restart(id, { graceSeconds: 0, signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: 'CANCELED',
      });

      expect(defined(await world.docker.inspect(id)).pid).toBe(defined(before).pid);
    });
  });
}
