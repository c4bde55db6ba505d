import { appendFileSync, copyFileSync, existsSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Resource, Supervisor } from '../../core/resource.ts';
import type { RawLine } from '../../core/service-logs.ts';
import { busyboxImage } from '../../testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../../testing/world/dockerd.ts';
import { startProgram } from '../../testing/world/start-program.ts';
import {
  startSystemdContainer,
  type SystemdContainer,
  systemdContainerMissing,
} from '../../testing/world/systemd-container.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createDocker } from '../docker/index.ts';
import { createPrograms } from '../programs/index.ts';
import { createSystemd } from '../systemd/index.ts';
import { createServiceLogs } from './index.ts';

const programs = createPrograms({ environment: process.env });
const eventually = (assertion: () => void) => vi.waitFor(assertion, { timeout: 20_000, interval: 50 });
const resource = (supervisor: Supervisor, pids: readonly number[] = []): Resource =>
  ({ id: 'svc_1', name: 'web', supervisor, pids }) as unknown as Resource;

/** Listens until the test is over. */
function listen(logs: ReturnType<typeof createServiceLogs>, current: () => Resource) {
  const lines: RawLine[] = [];
  const stop = new AbortController();
  const over = logs.follow(
    async () => current(),
    (more) => void lines.push(...more),
    stop.signal,
  );
  return {
    texts: () => lines.map(({ text }) => text),
    lines,
    async end() {
      stop.abort();
      await over;
    },
  };
}

describe('the log files of a process', () => {
  const logs = createServiceLogs({
    docker: createDocker({ host: 'unix:///nonexistent' }),
    systemd: createSystemd({ programs }),
  });
  let folder: TempFolder;
  beforeAll(async () => (folder = await tempFolder()));
  afterAll(() => folder.remove());
  // Appends what it is told, and opens its file anew on SIGHUP, as servers do that are rotated.
  const WRITER = `const fs=require('fs');const f=process.argv[1];let d=fs.openSync(f,'a');
    process.on('SIGHUP',()=>{const o=d;d=fs.openSync(f,'a');fs.closeSync(o);fs.writeSync(d,'reopened\\n')});
    setInterval(()=>{if(fs.existsSync(f+'.say')){fs.writeSync(d,fs.readFileSync(f+'.say'));fs.unlinkSync(f+'.say')}},20);
    fs.writeSync(d,'old line\\n');console.log('ready')`;
  const say = async (file: string, text: string): Promise<void> => {
    writeFileSync(`${file}.part`, text);
    renameSync(`${file}.part`, `${file}.say`);
    await eventually(() => expect(existsSync(`${file}.say`)).toBe(false));
  };
  /** Until it is heard what is said; from then on each line counts. */
  const untilHeard = async (heard: ReturnType<typeof listen>, file: string): Promise<void> => {
    let last = '';
    for (let n = 0; heard.lines.length === 0; n += 1) {
      await say(file, `${(last = `attempt ${n}`)}\n`);
      await sleep(200);
    }
    await eventually(() => expect(heard.texts().at(-1)).toBe(last));
    heard.lines.length = 0;
  };

  it('are followed over rotation, truncation and a restart of the process, each line once', async () => {
    const file = join(folder.path, 'app.log');
    const start = () =>
      startProgram({ program: process.execPath, args: ['-e', WRITER, file], ready: { output: /ready/ } });
    let writer = await start();
    const heard = listen(logs, () => resource({ kind: 'none' }, [writer.pid]));
    await untilHeard(heard, file);

    await say(file, 'one\ntw');
    await say(file, 'o\n');
    await eventually(() => expect(heard.texts()).toEqual(['one', 'two']));

    // Renamed away, written to for a moment still, and opened anew.
    renameSync(file, `${file}.1`);
    await say(file, 'last of the old file\n');
    process.kill(writer.pid, 'SIGHUP');
    await eventually(() => expect(heard.texts().slice(2)).toEqual(['last of the old file', 'reopened']));

    // Copied and cut off, as logrotate does with copytruncate.
    copyFileSync(file, `${file}.2`);
    truncateSync(file);
    await sleep(1_200);
    await say(file, 'after the cut\n');
    await eventually(() => expect(heard.texts().at(-1)).toBe('after the cut'));

    await writer.stop();
    // So long that it is seen to be gone.
    await sleep(1_200);
    writer = await start();
    await say(file, 'from the next process\n');
    await eventually(() => expect(heard.texts().at(-1)).toBe('from the next process'));
    expect(new Set(heard.texts()).size).toBe(heard.texts().length);
    expect((await logs.read(resource({ kind: 'none' }, [writer.pid]), { lines: 2 })).map(({ text }) => text)).toEqual([
      'old line',
      'from the next process',
    ]);
    await heard.end();
    await writer.stop();
  });

  it('cost bounded memory where a line never ends', async () => {
    const file = join(folder.path, 'endless.log');
    const writer = await startProgram({
      program: process.execPath,
      args: ['-e', WRITER, file],
      ready: { output: /ready/ },
    });
    const heard = listen(logs, () => resource({ kind: 'none' }, [writer.pid]));
    await untilHeard(heard, file);
    for (let n = 0; n < 6; n += 1) appendFileSync(file, 'x'.repeat(1_000_000));
    appendFileSync(file, '\nshort\n');

    await eventually(() => expect(heard.texts().at(-1)).toBe('short'));
    expect(heard.texts()[0]?.length).toBeLessThan(10_000);
    expect(heard.texts()).toHaveLength(2);
    await heard.end();
    await writer.stop();
  });

  it('say so where there are none', async () => {
    await expect(logs.read(resource({ kind: 'none' }, [1]), { lines: 5 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
  });
});

const noDocker = dockerMissing();
describe.skipIf(noDocker !== undefined)(`the log of a container${noDocker ? ` (skipped: ${noDocker})` : ''}`, () => {
  let engine: Dockerd;
  beforeAll(async () => {
    engine = await startDockerd();
    await busyboxImage(engine);
  });
  afterAll(() => engine?.stop());

  it('is followed over a restart and over the container that takes its place, both streams, each line once', async () => {
    const docker = createDocker({ host: engine.host });
    const logs = createServiceLogs({ docker, systemd: createSystemd({ programs }) });
    const script = 'echo begin; : > /out; : > /err; tail -f /out & tail -f /err >&2 & sleep 1000';
    const run = () => engine.docker('run', '--detach', '--stop-timeout=0', '--name=web', 'busybox', 'sh', '-c', script);
    const write = (file: string, text: string) => engine.docker('exec', 'web', 'sh', '-c', `echo "${text}" >> ${file}`);
    let container = (await run()).trim();
    const heard = listen(logs, () => resource({ kind: 'docker', container, name: 'web' }));
    await sleep(1_500);

    await write('/out', 'to stdout');
    await write('/err', 'to stderr');
    await eventually(() => expect(heard.texts()).toEqual(expect.arrayContaining(['to stdout', 'to stderr'])));
    expect(heard.lines.find(({ text }) => text === 'to stdout')?.at?.getTime()).toBeGreaterThan(Date.now() - 60_000);

    await engine.docker('restart', '--time=0', 'web');
    await write('/out', 'after the restart');
    await eventually(() => expect(heard.texts()).toContain('after the restart'));

    await engine.docker('rm', '--force', 'web');
    container = (await run()).trim();
    await write('/out', 'of the next one');
    await eventually(() => expect(heard.texts()).toContain('of the next one'));
    for (const text of ['to stdout', 'to stderr', 'of the next one'])
      expect(heard.texts().filter((each) => each === text)).toHaveLength(1);
    expect((await logs.read(resource({ kind: 'docker', container, name: 'web' }), { lines: 1 }))[0]).toMatchObject({
      text: 'of the next one',
      source: 'container web',
      at: expect.any(Date),
    });
    await heard.end();
  });
});

const noSystemd = systemdContainerMissing();
describe.skipIf(noSystemd !== undefined)(`the journal of a unit${noSystemd ? ` (skipped: ${noSystemd})` : ''}`, () => {
  let engine: Dockerd;
  let container: SystemdContainer;
  beforeAll(async () => {
    engine = await startDockerd();
    container = await startSystemdContainer(engine);
  }, 300_000);
  afterAll(() => engine?.stop());

  it('is followed, each entry once, with its instant and what the unit says of its weight', async () => {
    const logs = createServiceLogs({
      docker: createDocker({ host: engine.host }),
      systemd: createSystemd({ programs, prefix: container.prefix }),
    });
    await container.addUnit(
      'talk.service',
      '[Service]\nExecStart=/bin/sh -c "touch /run/say; exec tail -f /run/say"\n',
    );
    await container.exec('systemctl', 'start', 'talk.service');
    const heard = listen(logs, () => resource({ kind: 'systemd', unit: 'talk.service', scope: 'system' }));
    await sleep(1_500);
    for (const text of ['plain', '<3>it broke', '<4>it may break'])
      await container.exec('/bin/sh', '-c', 'echo "$1" >> /run/say', 'say', text);

    await eventually(() =>
      expect(
        heard.lines.filter(({ text }) => !text.includes('Started')).map(({ text, level }) => [text, level]),
      ).toEqual([
        ['plain', undefined],
        ['it broke', 'error'],
        ['it may break', 'warning'],
      ]),
    );
    expect(heard.lines[0]?.source).toBe('journal of talk.service');
    await heard.end();
  });
});
