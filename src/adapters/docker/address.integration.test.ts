import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StewardError } from '../../core/errors.ts';
import { busyboxImage } from '../../testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../../testing/world/dockerd.ts';
import { freePort } from '../../testing/world/start-program.ts';
import { seeForBackups } from '../sources/seen.ts';
import { addressOfContainer } from './address.ts';

const missing = dockerMissing();

describe.skipIf(missing)(`the address of a container${missing ? ` (${missing})` : ''}`, () => {
  let dockerd: Dockerd;

  beforeAll(async () => {
    dockerd = await startDockerd({ network: true });
    await busyboxImage(dockerd);
    await dockerd.docker('network', 'create', '--internal', 'inside');
    const isolated = 'com.docker.network.bridge.gateway_mode_ipv4=isolated';
    await dockerd.docker('network', 'create', '--internal', '--opt', isolated, 'apart');
  }, 120_000);

  afterAll(async () => {
    const containers = await dockerd?.docker('ps', '--all', '--quiet');
    if (containers) await dockerd.docker('rm', '--force', ...containers.split('\n'));
    await dockerd?.docker('network', 'rm', '--force', 'inside', 'apart', 'backups').catch(() => undefined);
    await dockerd?.stop();
  }, 60_000);

  const run = async (name: string, ...options: string[]): Promise<void> => {
    const serve = 'mkdir -p /www && echo $0 > /www/who && exec httpd -f -p 8080 -h /www';
    await dockerd.docker('run', '--detach', '--name', name, ...options, 'busybox', '/bin/sh', '-c', serve, name);
  };
  const address = (name: string): Promise<string> => addressOfContainer(name, dockerd.host);
  /** Who answers there: it is asked until its server listens. */
  const answers = async (name: string): Promise<string> => {
    const url = `http://${await address(name)}:8080/who`;
    await expect
      .poll(
        async () =>
          await fetch(url).then(
            ({ ok }) => ok,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true);
    return (await (await fetch(url)).text()).trim();
  };

  it('leads to it on the bridge, in a network without a gateway, and to whoever lends it its network', async () => {
    await run('plain');
    await run('closed', '--network=inside');
    await dockerd.docker('run', '--detach', '--name=lodger', '--network=container:closed', 'busybox', 'sleep', '600');
    expect(await answers('plain')).toBe('plain');
    expect(await answers('closed')).toBe('closed');
    expect(await answers('lodger')).toBe('closed');
    expect(await address('closed')).not.toBe(await address('plain'));
  });

  it('is the one it has now, and not the one from before it was made anew', async () => {
    await run('first');
    const before = await address('first');
    await dockerd.docker('rm', '--force', 'first');
    await run('somebody-else');
    await run('first');
    expect(await address('somebody-else')).toBe(before);
    expect(await address('first')).not.toBe(before);
    expect(await answers('first')).toBe('first');
  });

  it('is this machine’s where it uses the network of the machine', async () => {
    await dockerd.docker('run', '--detach', '--name=at-host', '--network=host', 'busybox', 'sleep', '600');
    expect(await address('at-host')).toBe('127.0.0.1');
  });

  it('is missing where there is no way in, and what is then said to be done makes one', async () => {
    await run('alone', '--network=none');
    await run('shut', '--network=apart');
    await expect(address('alone')).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: 'The container alone cannot be reached: it has no network.',
    });
    await expect(address('shut')).rejects.toMatchObject({
      message: 'The container shut cannot be reached: from its own machine nothing leads into apart (isolated bridge).',
    });
    const supervisor = { kind: 'docker', container: '', name: 'alone' };
    const { unreachable } = await seeForBackups([{ supervisor, endpoints: [], pids: [] } as never], dockerd.host);
    expect(unreachable).toEqual([{ container: 'alone', todo: expect.stringContaining('docker network create') }]);
    for (const name of ['alone', 'shut']) {
      const { hint = '' } = StewardError.from(await address(name).catch((thrown: unknown) => thrown));
      const said = /: (docker network create [^.]*)\./.exec(hint)?.[1] ?? '';
      for (const line of said.split(' && ').filter((each) => name === 'alone' || !each.includes('network create')))
        await dockerd.docker(...line.split(' ').slice(1));
      expect(await answers(name)).toBe(name);
    }
  });

  it('is not looked for where the container is not there, does not run, or is on another machine', async () => {
    await dockerd.docker('create', '--name=asleep', 'busybox', 'sleep', '600');
    await expect(address('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(address('asleep')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      hint: 'Start it: docker start asleep',
    });
    await expect(addressOfContainer('plain', 'tcp://docker.example:2375')).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining('its address leads nowhere from here'),
    });
  });
});

it('is unavailable where no engine answers', async () => {
  await expect(addressOfContainer('x', `tcp://127.0.0.1:${await freePort()}`)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('No Docker engine answers'),
  });
});
