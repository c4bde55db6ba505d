import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, hasProgram, type RunningProgram, type StartOptions, startProgram } from './start-program.ts';
import { tempFolder } from './temp-folder.ts';

const run = promisify(execFile);
const OSD_ATTEMPTS = 5;
/** Its ports were free a moment ago; on a machine where many start at once they may not be now. */
const ATTEMPTS = 3;
const PROGRAMS = ['ceph', 'ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'monmaptool'];

export interface S3Server extends AsyncDisposable {
  /** http://127.0.0.1:port */
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  stop(): Promise<void>;
}

export function cephMissing(): string | undefined {
  const missing = PROGRAMS.filter((name) => !hasProgram(name));
  return missing.length === 0 ? undefined : `needs ${missing.join(', ')}`;
}

/** A real S3: Ceph's gateway over one monitor and one store in memory. It checks signatures, which imitations do not. */
export async function startCeph(): Promise<S3Server> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce();
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

async function startOnce(): Promise<S3Server> {
  const folder = await tempFolder('ceph');
  const file = (name: string): string => join(folder.path, name);
  const [monitor, gateway] = [await freePort(), await freePort()];
  const [fsid, osd] = [randomUUID(), randomUUID()];
  const [accessKey, secretKey] = [randomBytes(10).toString('hex').toUpperCase(), randomBytes(20).toString('hex')];
  for (const name of ['mon', 'osd', 'rgw', 'run', 'crash']) await mkdir(file(name));
  await writeFile(file('ceph.conf'), configuration({ folder: folder.path, monitor, gateway, fsid }));
  const conf = ['--conf', file('ceph.conf')];
  const running: RunningProgram[] = [];
  const start = async (
    program: string,
    args: readonly string[],
    ready: NonNullable<StartOptions['ready']>,
  ): Promise<void> =>
    void running.push(
      await startProgram({ program, args: [...conf, ...args, '--foreground'], ready, timeoutMs: 60_000 }),
    );
  const stop = async (): Promise<void> => {
    for (const one of running.reverse()) await one.stop();
    await folder.remove();
  };
  const once = (program: string, ...args: readonly string[]): Promise<unknown> =>
    run(program, args, { timeout: 60_000 });
  try {
    const address = `[v1:127.0.0.1:${monitor}]`;
    await once('monmaptool', '--create', '--addv', 'a', address, '--fsid', fsid, file('monmap'));
    await once('ceph-mon', ...conf, '--mkfs', '--id', 'a', '--monmap', file('monmap'));
    await start('ceph-mon', ['--id', 'a'], { port: monitor });
    await once('ceph', ...conf, 'osd', 'new', osd);
    await once('ceph-osd', ...conf, '--id', '0', '--mkfs', '--osd-uuid', osd);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await start('ceph-osd', ['--id', '0'], { output: /waiting for initial osdmap/ });
        break;
      } catch (error) {
        // It may ask its monitor before that has told it of which cluster it is, and then gives up.
        if (attempt === OSD_ATTEMPTS || !(error instanceof Error && error.message.includes('wrong fsid'))) throw error;
      }
    }
    const keys = [`--access-key=${accessKey}`, `--secret-key=${secretKey}`];
    await once('radosgw-admin', ...conf, 'user', 'create', '--uid=test', '--display-name=test', ...keys);
    await start('radosgw', ['--name', 'client.admin'], { port: gateway });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://127.0.0.1:${gateway}`, accessKey, secretKey, stop, [Symbol.asyncDispose]: stop };
}

function configuration(of: {
  readonly folder: string;
  readonly monitor: number;
  readonly gateway: number;
  readonly fsid: string;
}): string {
  return `[global]
fsid = ${of.fsid}
mon host = [v1:127.0.0.1:${of.monitor}]
public addr = 127.0.0.1
# Without keys nobody may speak the second protocol of the monitors.
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
osd objectstore = memstore
memstore device bytes = 1073741824
mon data = ${of.folder}/mon
osd data = ${of.folder}/osd
rgw data = ${of.folder}/rgw
run dir = ${of.folder}/run
admin socket = ${of.folder}/run/$name.asok
pid file = ${of.folder}/run/$name.pid
log file = ${of.folder}/$name.log
crash dir = ${of.folder}/crash
keyring = ${of.folder}/keyring
rgw frontends = beast endpoint=127.0.0.1:${of.gateway}
rgw thread pool size = 32

[mon.a]
mon addr = v1:127.0.0.1:${of.monitor}
`;
}
