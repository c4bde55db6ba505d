import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { ProcessIdentity, ProgramsPort } from '../../core/ports/programs.ts';
import type { LaunchRecipe } from '../../core/resource.ts';
import { LAUNCH_UNIT, parseControlGroup } from '../procfs/cgroup.ts';
import { identityOf, isAlive } from '../procfs/identity.ts';
import { readProc } from '../procfs/read.ts';
import { refreshUserNames, userName } from '../procfs/users.ts';
import { readArguments, readExecutable } from './details.ts';
import { openOutput } from './output.ts';

export interface LaunchOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly outputPath: string;
}

const EXEC_DEADLINE_MS = 5000;
/** Variables that decide what code a program loads. */
const LOADER = /^(LD_\w+|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NLSPATH|MALLOC_\w+)$/;

/** Starts the recipe's program so that it outlives Steward; resolves once it is that program that runs, not a helper on the way. */
export async function launch(
  recipe: LaunchRecipe,
  options: LaunchOptions,
  programs: ProgramsPort,
): Promise<ProcessIdentity> {
  requireParts(recipe);
  closeSync(openOutput(options.outputPath, recipe.executable));
  const { pid, helpers = [] } = livesInUnit()
    ? await launchByManager(recipe, options, programs)
    : await launchDetached(recipe, options);
  const identity = identityOf(pid);
  if (identity && (await becomesProgram(identity, helpers))) return identity;
  throw failed(recipe, 'it ended at once', options.outputPath);
}

async function becomesProgram(identity: ProcessIdentity, helpers: readonly string[]): Promise<boolean> {
  for (const until = performance.now() + EXEC_DEADLINE_MS; performance.now() < until; await sleep(5)) {
    if (!isAlive(identity)) return false;
    // The kernel names the program an instant before it has given it its arguments and variables.
    const runs = !helpers.includes(readExecutable(identity.pid) ?? '') && readArguments(identity.pid).length > 0;
    if (runs) return true;
  }
  return false;
}

/** `helpers` are what may still run under that pid on the way to the program. */
interface Launched {
  readonly pid: number;
  readonly helpers?: readonly string[];
}

function requireParts(recipe: LaunchRecipe): void {
  for (const [part, path] of [
    ['program', recipe.executable],
    ['working folder', recipe.cwd],
  ] as const) {
    if (existsSync(path)) continue;
    throw new StewardError(
      'PRECONDITION_FAILED',
      `The ${part} of ${recipe.executable} is not there any more: ${path}.`,
      {
        hint: 'Start it by hand once; Steward learns its new place with the next discovery.',
      },
    );
  }
}

// A program that is stopped together with Steward's unit would not outlive it.
function livesInUnit(): boolean {
  return existsSync('/run/systemd/system') && parseControlGroup(readProc('/proc/self/cgroup') ?? '').unit !== undefined;
}

async function launchDetached(recipe: LaunchRecipe, { env, outputPath }: LaunchOptions): Promise<Launched> {
  const output = openOutput(outputPath, recipe.executable);
  try {
    const foreign = recipe.uid !== process.getuid?.() || recipe.gid !== process.getgid?.();
    // setpriv gives the user its supplementary groups, which spawn's own uid and gid would drop.
    const helper = foreign ? findOnPath('setpriv') : undefined;
    // What these name is loaded by the helper too, while it still is root: they wait until it is the user.
    const late = helper ? Object.entries(env).filter(([name]) => LOADER.test(name)) : [];
    const assigner = late.length > 0 ? findOnPath('env') : undefined;
    if (late.length > 0 && !assigner) throw failed(recipe, 'there is no env program on this machine', outputPath);
    const file = helper ?? recipe.executable;
    const args = helper
      ? [
          `--reuid=${recipe.uid}`,
          `--regid=${recipe.gid}`,
          hasName(recipe.uid) ? '--init-groups' : '--clear-groups',
          '--',
          ...(assigner ? [assigner, ...late.map(([name, value]) => `${name}=${value}`)] : []),
          startPath(recipe),
          ...recipe.argv.slice(1),
        ]
      : recipe.argv.slice(1);
    const child = spawn(file, args, {
      cwd: recipe.cwd,
      env: Object.fromEntries(Object.entries(env).filter(([name]) => !late.some(([other]) => other === name))),
      detached: true,
      stdio: ['ignore', output, output],
      ...(helper ? {} : { argv0: recipe.argv[0] ?? recipe.executable }),
      ...(foreign && !helper ? { uid: recipe.uid, gid: recipe.gid } : {}),
    });
    const pid = await new Promise<number>((done, reject) => {
      child.once('spawn', () => done(child.pid ?? 0));
      child.once('error', ({ code }: NodeJS.ErrnoException) =>
        reject(failed(recipe, `the system refused it (${code})`, outputPath)),
      );
    });
    child.unref();
    return { pid, helpers: [helper, assigner].flatMap((path) => (path ? [realpathSync(path)] : [])) };
  } finally {
    closeSync(output);
  }
}

/** Through the manager, as a transient unit: it is a child of systemd and has none of the restrictions of Steward's own unit. */
async function launchByManager(
  recipe: LaunchRecipe,
  { env, outputPath }: LaunchOptions,
  programs: ProgramsPort,
): Promise<Launched> {
  const unit = `${LAUNCH_UNIT}${randomBytes(6).toString('hex')}.service`;
  const user = process.getuid?.() === 0 ? [`--uid=${recipe.uid}`, `--gid=${recipe.gid}`] : ['--user'];
  // Arguments and properties of units are for everyone to read; this file is not, and is gone once it was read.
  const variables = join(dirname(outputPath), `.${unit}.env`);
  writeFileSync(variables, environmentFile(env), { mode: 0o600, flag: 'wx' });
  const started = await programs
    .run({
      program: 'systemd-run',
      args: [
        '--quiet',
        '--collect',
        `--unit=${unit}`,
        '--service-type=exec',
        ...user,
        `--working-directory=${recipe.cwd}`,
        `--property=StandardOutput=append:${outputPath}`,
        `--property=StandardError=append:${outputPath}`,
        `--property=EnvironmentFile=${variables}`,
        '--',
        // The manager would put its own variables in the place of $NAME.
        ...[startPath(recipe), ...recipe.argv.slice(1)].map((argument) => argument.replaceAll('$', '$$$$')),
      ],
      timeoutMs: 30_000,
    })
    .finally(() => rmSync(variables, { force: true }));
  if (started.exitCode !== 0)
    throw failed(recipe, started.stderr.trim() || `systemd-run ended with ${started.exitCode}`, outputPath);
  const scope = process.getuid?.() === 0 ? [] : ['--user'];
  const shown = await programs.run({
    program: 'systemctl',
    args: [...scope, 'show', '--property=MainPID', '--value', '--', unit],
    timeoutMs: 10_000,
  });
  const pid = Number(shown.stdout.trim());
  if (!(pid > 0)) throw failed(recipe, 'it ended at once', outputPath);
  return { pid };
}

/** The way systemd reads it back unchanged: in double quotes these four keep their meaning only behind a backslash. */
function environmentFile(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}="${value.replace(/[\\"`$]/g, '\\$&')}"\n`)
    .join('');
}

/** The name under which to start it: busybox and its like do what that name says, so a link to the program is kept. */
function startPath(recipe: LaunchRecipe): string {
  const name = recipe.argv[0] ?? recipe.executable;
  const candidate = name.includes('/') ? resolve(recipe.cwd, name) : findOnPath(name);
  try {
    if (candidate && isAbsolute(candidate) && realpathSync(candidate) === realpathSync(recipe.executable))
      return candidate;
  } catch {
    return recipe.executable;
  }
  return recipe.executable;
}

function findOnPath(name: string): string | undefined {
  return ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

function hasName(uid: number): boolean {
  refreshUserNames();
  return userName(uid) !== String(uid);
}

// Without the arguments and without a cause that carries them: they may hold secrets.
function failed({ executable }: LaunchRecipe, why: string, outputPath: string): StewardError {
  return new StewardError('PROGRAM_FAILED', `${executable} could not be started: ${why}.`, {
    hint: `Its output is in ${outputPath}.`,
  });
}
