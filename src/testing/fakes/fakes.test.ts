import { dockerContract } from '../../adapters/docker/docker.contract.ts';
import { systemdContract } from '../../adapters/systemd/systemd.contract.ts';
import { fakeDocker } from './fake-docker.ts';
import { fakeSystemd } from './fake-systemd.ts';

dockerContract('fakeDocker', async () => {
  const docker = fakeDocker();
  return {
    docker,
    run: async (name) => docker.run(name),
    stop: async (id) => docker.stop(id),
    crash: async (id) => docker.crash(id, 137),
    finish: async (id) => docker.crash(id, 0),
    say: async (id, line) => docker.say(id, line),
    async close() {},
  };
});

systemdContract('fakeSystemd', async () => {
  const systemd = fakeSystemd();
  return {
    systemd,
    start: async (unit) => systemd.add(unit),
    stop: async (unit) => systemd.stop(unit),
    crash: async (unit) => systemd.crash(unit),
    breakIt: async (unit) => systemd.onRestart(unit, 'fails'),
    say: async (unit, line) => systemd.say(unit, line),
    async close() {},
  };
});
