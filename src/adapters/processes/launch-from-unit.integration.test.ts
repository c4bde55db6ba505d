import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dockerd, startDockerd } from '../../testing/world/dockerd.ts';
import {
  startSystemdContainer,
  type SystemdContainer,
  systemdContainerMissing,
} from '../../testing/world/systemd-container.ts';

const missing = systemdContainerMissing();
const repository = fileURLToPath(new URL('../../..', import.meta.url));
const node = realpathSync(process.execPath);
/** As hostile to whoever quotes it as a password may be. */
const ENV = { KEPT: `a b "$HOME" 'x' \`y\` \\ %n $$ é#;`, LINES: 'one\ntwo\n' };

// What Steward does, as a unit: launch, note who it was, and go on.
const SCRIPT = `
  import { writeFileSync } from 'node:fs';
  const { createProcesses } = await import('${new URL('./index.ts', import.meta.url).href}');
  const { createPrograms } = await import('${new URL('../programs/index.ts', import.meta.url).href}');
  const processes = createProcesses({ programs: createPrograms({ environment: process.env }) });
  const recipe = { argv: ['sleep', '1000'], executable: '/usr/bin/sleep', cwd: '/var/tmp', uid: 65534, gid: 65534 };
  const first = await processes.launch(recipe, { env: ${JSON.stringify(ENV)}, outputPath: '/run/launched/out' });
  const script = { ...recipe, argv: ['sh', '-c', 'echo "$1 $HOME"; exec sleep 1000', 'sh', '$KEPT %n'], executable: '/usr/bin/dash' };
  const second = await processes.launch(script, { env: {}, outputPath: '/run/launched/out' });
  writeFileSync('/run/launched/pids', JSON.stringify([first, second, await processes.get(first.pid)]));
  setInterval(() => {}, 1000);
`;

describe.skipIf(missing !== undefined)(
  `a launch by a Steward that is a unit${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    let engine: Dockerd;
    let container: SystemdContainer;
    beforeAll(async () => {
      engine = await startDockerd();
      container = await startSystemdContainer(engine, {
        run: [`--volume=${repository}:${repository}:ro`, `--volume=${node}:${node}:ro`],
      });
    }, 300_000);
    afterAll(() => engine?.stop());

    it('outlives the unit, as the user of the recipe, with its arguments as they are', async () => {
      await container.exec('/bin/sh', '-c', 'printf %s "$1" > /opt/steward.mjs', 'sh', SCRIPT);
      await container.addUnit(
        'steward.service',
        `[Service]\nExecStart=${node} /opt/steward.mjs\nNoNewPrivileges=yes\nProtectHome=yes\n`,
      );
      await container.exec('systemctl', 'start', 'steward.service');
      let told = '';
      for (const until = Date.now() + 15_000; told === '' && Date.now() < until; await sleep(100))
        told = await container.exec('cat', '/run/launched/pids').catch(() => '');
      if (!told) throw new Error(await container.exec('journalctl', '--unit=steward.service', '--no-pager'));
      const [first, second, seen] = JSON.parse(told) as [{ pid: number }, { pid: number }, Record<string, unknown>];

      await container.exec('systemctl', 'stop', 'steward.service');

      expect(await container.exec('ps', '-o', 'uid=,args=', '-p', String(first.pid))).toMatch(/^65534 \S*sleep 1000$/);
      expect(await container.exec('ps', '-o', 'uid=,args=', '-p', String(second.pid))).toMatch(/^65534 sleep 1000$/);
      expect(await container.exec('cat', '/run/launched/out')).toContain('$KEPT %n');
      const environ = await container.exec('base64', '--wrap=0', `/proc/${first.pid}/environ`);
      expect(Buffer.from(environ, 'base64').toString().split('\0')).toEqual(
        expect.arrayContaining([`KEPT=${ENV.KEPT}`, `LINES=${ENV.LINES}`]),
      );
      // Properties of units are for everyone to read, and the file that carried them is gone.
      const unit = await container.exec('ps', '-o', 'unit=', '-p', String(first.pid));
      expect(await container.exec('systemctl', 'show', unit.trim())).not.toContain('a b "$HOME"');
      expect(await container.exec('ls', '-A', '/run/launched')).not.toContain('.env');
      // It is started by systemd and supervised by nobody: the unit around it is no identity.
      expect(seen).not.toHaveProperty('unit');
    });
  },
);
