import { access, constants, statfs } from 'node:fs/promises';
import { createWorld } from './compose/world.ts';
import type { Environment } from './config/environment.ts';
import { runningServer } from './config/home.ts';
import { backupRepositories, backupSources } from './compose/backups-from-config.ts';
import { configLocation, readConfig } from './config/load.ts';
import { inspectConfig } from './workflows-from-config.ts';
import { StewardError } from './core/errors.ts';
import type { ProgramsPort } from './core/ports/programs.ts';
import type { SecretResolver } from './core/secrets.ts';
import { markOf } from './restore-home-mark.ts';
import type { Finding } from './doctor-finding.ts';
import { missingPrograms } from './doctor-programs.ts';
import { examineRunning } from './doctor-running.ts';
import { KIT_HINT, kitProblem, kitState } from './recovery-kit.ts';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const ROOM_BYTES = 2 * 1024 ** 3;

/** Everything Steward itself needs, looked at from outside; what one that runs knows of itself comes to that. */
export async function examine(environment: Environment): Promise<Finding[]> {
  const world = createWorld({ environment, log: SILENT });
  const findings = await Promise.all([
    server(environment),
    home(environment),
    room(environment),
    configuration(environment, world),
    port('Docker', world.docker.status(), 'start the Docker engine, or set DOCKER_HOST'),
    port('systemd', world.systemd.status(), 'nothing to do where another supervisor runs this machine'),
    identity(),
    examineRunning(environment.home, new Date()),
  ]);
  await world.prober.close();
  return findings.flat();
}

async function server({ home: folder }: Environment): Promise<Finding> {
  const running = await runningServer(folder);
  if (!running)
    return {
      what: 'server',
      state: 'problem',
      detail: `no Steward runs from ${folder}`,
      mend: 'npm start, or: npm run steward -- service install',
    };
  try {
    const { ok, status } = await fetch(`${running.url}/api/v1/health`, { signal: AbortSignal.timeout(3_000) });
    return ok
      ? { what: 'server', state: 'ok', detail: `${running.url}, process ${running.pid}` }
      : {
          what: 'server',
          state: 'problem',
          detail: `${running.url} answers HTTP ${status}`,
          mend: 'look at its log, then restart it',
        };
  } catch (thrown) {
    return {
      what: 'server',
      state: 'problem',
      detail: `${running.url} does not answer: ${StewardError.from(thrown).message}`,
      mend: `look at process ${running.pid}, then restart it`,
    };
  }
}

async function home({ home: folder }: Environment): Promise<Finding> {
  try {
    await access(folder, constants.W_OK);
    const half = (await markOf(folder)).is === 'half';
    return half
      ? {
          what: 'data folder',
          state: 'problem',
          detail: `a restore into ${folder} did not come to its end`,
          mend: 'steward restore-home, as before: it begins anew',
        }
      : { what: 'data folder', state: 'ok', detail: folder };
  } catch (thrown) {
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    return missing
      ? { what: 'data folder', state: 'note', detail: `${folder} is not there yet; the first start makes it` }
      : {
          what: 'data folder',
          state: 'problem',
          detail: `${folder} cannot be written to`,
          mend: `chown it to the user that runs Steward, or set STEWARD_HOME`,
        };
  }
}

async function room({ home: folder }: Environment): Promise<Finding> {
  for (let path = folder; ; path = path.slice(0, path.lastIndexOf('/')) || '/') {
    try {
      const { bavail, bsize } = await statfs(path);
      const free = bavail * bsize;
      const detail = `${(free / 1024 ** 3).toFixed(1)} GB free at ${path}`;
      return free >= ROOM_BYTES
        ? { what: 'disk', state: 'ok', detail }
        : { what: 'disk', state: 'problem', detail, mend: 'free some space: Steward wants 2 GB' };
    } catch {
      if (path === '/')
        return { what: 'disk', state: 'problem', detail: 'free space cannot be read', mend: `df -h ${folder}` };
    }
  }
}

async function configuration(
  environment: Environment,
  { secrets, programs }: { readonly secrets: SecretResolver; readonly programs: ProgramsPort },
): Promise<Finding[]> {
  const location = { ...configLocation(environment), inspect: inspectConfig };
  try {
    const { config, source } = await readConfig(location, environment.overrides);
    const repositories = backupRepositories(config, environment.home);
    const kit = await kitState(repositories, { secrets, home: environment.home });
    const withoutKit = kitProblem(kit);
    return [
      {
        what: 'configuration',
        state: 'ok',
        detail: source === 'defaults' ? 'defaults; there is no file' : location.file,
      },
      config.alerts.channels.length > 0
        ? { what: 'alerts', state: 'ok', detail: config.alerts.channels.map(({ name }) => name).join(', ') }
        : {
            what: 'alerts',
            state: 'problem',
            detail: 'no channel: problems are seen on the dashboard only',
            mend: `add alerts.channels to ${location.file}`,
          },
      config.deadMan
        ? { what: 'dead man', state: 'ok', detail: `every ${config.deadMan.every}` }
        : {
            what: 'dead man',
            state: 'note',
            detail: 'nobody notices when Steward itself dies',
            mend: `add deadMan.url to ${location.file}`,
          },
      withoutKit !== undefined
        ? { what: 'recovery kit', state: 'problem', detail: withoutKit, mend: KIT_HINT }
        : {
            what: 'recovery kit',
            state: 'ok',
            detail:
              kit === undefined
                ? 'not needed: no copy leaves this home'
                : 'exported, of the places and keys that there are',
          },
      config.audit.checkpoints.length > 0
        ? { what: 'audit', state: 'ok', detail: `checkpoints in ${config.audit.checkpoints.length + 1} places` }
        : {
            what: 'audit',
            state: 'note',
            detail: 'its checkpoints are on this machine only: whoever has all of it can put the record back unseen',
            mend: `add audit.checkpoints to ${location.file}`,
          },
      ...(await missingPrograms(programs, backupSources(config), repositories)),
    ];
  } catch (thrown) {
    const { message, hint } = StewardError.from(thrown);
    return [{ what: 'configuration', state: 'problem', detail: message, mend: hint }];
  }
}

async function port(
  what: string,
  asked: Promise<{ ok: boolean; reason?: string | undefined }>,
  mend: string,
): Promise<Finding> {
  const { ok, reason } = await asked;
  return ok
    ? { what, state: 'ok', detail: 'answers' }
    : { what, state: 'note', detail: reason ?? 'does not answer', mend };
}

async function identity(): Promise<Finding> {
  return process.getuid?.() === 0
    ? { what: 'permissions', state: 'ok', detail: 'root: every process is seen' }
    : {
        what: 'permissions',
        state: 'note',
        detail: 'not root: only what this user may see and restart',
        mend: 'sudo npm run steward -- service install',
      };
}
