import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxImage } from '../src/testing/world/busybox-image.ts';
import { freePort, startProgram } from '../src/testing/world/start-program.ts';
import { tempFolder, type TempFolder } from '../src/testing/world/temp-folder.ts';
import { dockerMissing } from '../src/testing/world/dockerd.ts';
import { type Fixture, fixtureMissing, startFixture } from './fixtures/services/index.ts';
import { type Api, adminApi, type EventLog, followEvents, type SeenService } from './kit/api.ts';
import { strike, told } from './kit/heals.ts';
import { eventually, isAlive, makeHome, removeHome, type RunningSteward, sleep, startSteward } from './kit/steward.ts';

const missing = fixtureMissing() ?? dockerMissing();
const NOBODY = 65_534;
/** Those that others need come last: what fails for want of another is the other's child. */
const FIRST = ['haproxy', 'shop'];

describe.skipIf(missing)(
  `a machine without systemd: containers and bare processes${missing ? ` (${missing})` : ''}`,
  () => {
    let fixture: Fixture;
    let folder: TempFolder;
    let kiosk: { port: number; script: string; first: number };
    let home: string;
    let steward: RunningSteward;
    let api: Api;
    let log: EventLog;
    const figures: Record<string, object> = {};

    beforeAll(async () => {
      [fixture, folder] = await Promise.all([startFixture(), tempFolder('stw-kiosk')]);
      await chmod(folder.path, 0o755);
      const script = join(folder.path, 'web.mjs');
      await copyFile(join(import.meta.dirname, 'fixtures/machine/web.mjs'), script);
      const port = await freePort();
      const program = await startProgram({
        program: process.execPath,
        args: [script, String(port)],
        cwd: folder.path,
        uid: NOBODY,
        gid: NOBODY,
        env: { SECRET_OF_THE_KIOSK: 'not to be kept' },
        ready: { port },
      });
      kiosk = { port, script, first: program.pid };
      const image = await busyboxImage(docker());
      await container('--name', 'front', image, 'httpd', '-f', '-p', '8080', '-h', '/tmp');
      // Its check fails from the moment the file is gone; a restart makes it anew.
      await container(
        '--name=sick',
        '--health-cmd=test -e /tmp/well',
        '--health-interval=1s',
        '--health-retries=2',
        // A shell that is the first process hears no polite signal, and Docker would wait for ten seconds.
        '--stop-signal=KILL',
        image,
        'sh',
        '-c',
        'touch /tmp/well; exec httpd -f -p 8080 -h /tmp',
      );
      home = makeHome(`monitoring: { every: 1s, timeout: 2s, flap: { high: 60, low: 30 } }
# The same is killed again and again here: that is no sign that restarting it does not help.
healing: { loop: 1s, soak: 3s, backoff: 1s, recurrence: 0s, attempts: 10, perHour: 20 }
services: [{ name: kiosk, match: { port: ${port} }, restart: process }]
`);
      steward = await serve();
      const admin = await adminApi(steward);
      api = admin.api;
      log = await followEvents(steward.url, admin.token);
    }, 240_000);

    afterAll(async () => {
      console.table(figures);
      log?.stop();
      await steward?.stop();
      if (home) await removeHome(home);
      for (const pid of kioskPids()) kill(pid);
      await folder?.remove();
      await fixture?.stop();
    }, 90_000);

    const serve = (port?: number) =>
      startSteward({
        home,
        ...(port === undefined ? {} : { port }),
        env: { DOCKER_HOST: docker().host, STEWARD_LOG_LEVEL: 'warn' },
      });

    function docker() {
      if (!fixture.dockerd) throw new Error('the fixture has no Docker');
      return fixture.dockerd;
    }
    const container = (...args: readonly string[]) => docker().docker('run', '--detach', ...args);
    const inspect = (name: string, format: string) => docker().docker('inspect', '--format', `{{${format}}}`, name);

    function kioskPids(): number[] {
      return readdirSync('/proc').flatMap((name) => {
        try {
          return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(kiosk.script)
            ? [Number(name)]
            : [];
        } catch {
          return [];
        }
      });
    }

    function theKiosk(): number {
      const [pid, ...more] = kioskPids();
      if (pid === undefined || more.length > 0) throw new Error(`one kiosk should run, not ${kioskPids().length}`);
      return pid;
    }

    async function byPort(port: number): Promise<SeenService | undefined> {
      return (await api.services()).find(({ endpoints }) => endpoints.some((endpoint) => endpoint.port === port));
    }

    const attemptsOf = async (incidentId: string) =>
      (await api.attempts()).filter((attempt) => attempt.incidentId === incidentId);

    it('watches all of them', { timeout: 90_000 }, async () => {
      const wanted = [...fixture.services.values()].filter(({ decoy, name }) => !decoy && name !== 'message-bus');
      await eventually(
        'all are up',
        async () => {
          const found = await Promise.all(wanted.map(({ port }) => byPort(port)));
          const others = await Promise.all(['front', 'sick', 'kiosk'].map((name) => api.service(name)));
          return [...found, ...others].every((service) => service?.state === 'up') ? true : undefined;
        },
        60_000,
      );
    });

    it('restarts a container whose process was killed', { timeout: 60_000 }, async () => {
      const outcome = await strike({ api, log }, 'front', async () =>
        kill(Number(await inspect('front', '.State.Pid'))),
      );
      figures['front killed'] = { down: outcome.secondsToDown, end: outcome.secondsToEnd };

      expect(outcome.incident).toMatchObject({
        status: 'resolved',
        evidence: { collected: { supervisor: { exitCode: 137, oomKilled: false } } },
      });
      const [attempt] = await attemptsOf(outcome.incident.id);
      expect(await api.run(attempt?.runId ?? '')).toMatchObject({
        automation: 'restart-service',
        status: 'succeeded',
        output: { supervisor: 'docker', restarted: true },
      });
      expect(await inspect('front', '.State.Status')).toBe('running');
    });

    it('restarts a container whose own check says that it is unwell', { timeout: 60_000 }, async () => {
      const before = await inspect('sick', '.State.StartedAt');
      const outcome = await strike({ api, log }, 'sick', () => docker().docker('exec', 'sick', 'rm', '/tmp/well'));
      figures['sick is unhealthy'] = { down: outcome.secondsToDown, end: outcome.secondsToEnd };

      expect(outcome.incident).toMatchObject({
        status: 'resolved',
        title: expect.stringContaining('HEALTHCHECK fails'),
      });
      expect(await inspect('sick', '.State.StartedAt')).not.toBe(before);
      expect(await inspect('sick', '.State.Health.Status')).toBe('healthy');
    });

    it('takes docker stop for a stop', { timeout: 60_000 }, async () => {
      const { id } = await api.service('front');
      const from = log.events.length;
      const before = await inspect('front', '.State.StartedAt');
      await docker().docker('stop', '--time', '1', 'front');
      await log.until('the stop is noticed', told('service.stopped', id), 10_000, from);
      await sleep(5_000);

      expect((await api.service('front')).state).toBe('stopped');
      expect(
        log.events
          .slice(from)
          .filter((event) => /^(incident|service\.down)/.test(event.type) && told(event.type, id)(event)),
      ).toEqual([]);
      expect(await inspect('front', '.State.StartedAt')).toBe(before);
      await docker().docker('start', 'front');
      await log.until('it is up again', told('service.up', id), 10_000, from);
    });

    it(
      'starts a bare process again where its owner asked for it, and it outlives Steward',
      { timeout: 120_000 },
      async () => {
        const before = kioskPids();
        expect(before).toEqual([kiosk.first]);
        const outcome = await strike({ api, log }, 'kiosk', async () => kill(kiosk.first));
        figures['kiosk killed'] = { down: outcome.secondsToDown, end: outcome.secondsToEnd };
        const pid = theKiosk();

        expect(outcome.incident.status).toBe('resolved');
        expect(pid).not.toBe(kiosk.first);
        expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)).toEqual([
          process.execPath,
          kiosk.script,
          String(kiosk.port),
        ]);
        expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(folder.path);
        expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(new RegExp(`^Uid:\\s${NOBODY}\\s${NOBODY}`, 'm'));
        expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('STEWARD');

        const port = Number(new URL(steward.url).port);
        await steward.kill();
        expect(isAlive(pid)).toBe(true);
        steward = await serve(port);
        await steward.stop();
        expect(isAlive(pid)).toBe(true);
        expect(await (await fetch(`http://127.0.0.1:${kiosk.port}/`)).text()).toBe(`${pid}\n`);
        steward = await serve(port);
        await eventually('it is watched again', async () =>
          (await api.service('kiosk')).state === 'up' ? true : undefined,
        );
      },
    );

    it.each([300, 900])(
      'starts it once, though Steward is killed about %i ms into it',
      { timeout: 90_000 },
      async (delay) => {
        const { id } = await api.service('kiosk');
        const from = log.events.length;
        kill(theKiosk());
        await log.until('its incident', told('incident.opened', id), 15_000, from);
        await sleep(delay + Math.random() * 500);
        const port = Number(new URL(steward.url).port);
        await steward.kill();
        steward = await serve(port);
        const end = await log.until('the end of it', told('incident.resolved', id), 45_000, from);

        expect(isAlive(theKiosk())).toBe(true);
        const attempts = await attemptsOf(String(end.data['incidentId']));
        figures[`kiosk killed, Steward after ${delay} ms`] = {
          attempts: attempts.map(({ number, status }) => `${number} ${status}`).join(', '),
        };
        expect(attempts.every(({ status }) => ['succeeded', 'failed'].includes(status))).toBe(true);
      },
    );

    it('calls a person for each of the others, once, and says what to do', { timeout: 240_000 }, async () => {
      const victims = [...fixture.services.values()]
        .filter(
          ({ pid, decoy, name }) => pid !== undefined && !decoy && name !== 'web-container' && name !== 'message-bus',
        )
        .toSorted((a, b) => rank(a.name) - rank(b.name));
      const rows: object[] = [];
      const strikeDown = async ({ name, port, pid = 0 }: (typeof victims)[number]): Promise<void> => {
        const service = await byPort(port);
        const from = log.events.length;
        const at = Date.now();
        kill(-pid);
        const id = service?.id ?? '';
        const down = await log.until(`${name} is down`, told('service.down', id), 60_000, from);
        const escalated = await log.until(
          `a person is called for ${name}`,
          told('incident.escalated', id),
          60_000,
          from,
        );
        const incident = await api.incident(String(escalated.data['incidentId']));
        const seconds = (instant: string) => Math.round((new Date(instant).getTime() - at) / 100) / 10;
        rows.push({
          name,
          supervisor: service?.supervisor,
          down: seconds(down.at),
          escalated: seconds(escalated.at),
          status: incident.status,
        });
        expect({ name, attempts: await attemptsOf(incident.id), why: escalated.data['why'] }).toEqual({
          name,
          attempts: [],
          why: expect.stringMatching(/by hand/),
        });
      };
      for (const each of victims.slice(0, FIRST.length)) await strikeDown(each);
      await Promise.all(victims.slice(FIRST.length).map(strikeDown));
      console.table(rows);
      await sleep(2_000);

      expect(victims.length).toBeGreaterThanOrEqual(16);
      const ids = await Promise.all(victims.map(async ({ port }) => (await byPort(port))?.id));
      for (const id of ids) {
        const opened = log.events.filter(told('incident.opened', id ?? ''));
        expect(opened.length).toBe(1);
        expect(log.events.filter(told('incident.escalated', id ?? '')).length).toBe(1);
      }
    });

    it('leaves to Docker what Docker brings back itself', { timeout: 60_000 }, async () => {
      const { id } = await api.service('site');
      const from = log.events.length;
      const before = Number(await inspect('site', '.State.Pid'));
      kill(before);
      await eventually('Docker starts it again', async () =>
        ![0, before].includes(Number(await inspect('site', '.State.Pid'))) ? true : undefined,
      );
      await sleep(4_000);
      expect(log.events.slice(from).filter((event) => told('incident.opened', id)(event))).toEqual([]);
      expect((await api.service('site')).state).toBe('up');
    });
  },
);

function rank(name: string): number {
  const place = FIRST.indexOf(name);
  return place === -1 ? FIRST.length : place;
}

/** Of 0 and 1 the system makes everybody, the test itself included. */
function kill(pid: number): void {
  if (!Number.isInteger(pid) || Math.abs(pid) <= 1) throw new Error(`${pid} is not a process to kill`);
  process.kill(pid, 'SIGKILL');
}
