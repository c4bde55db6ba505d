import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { ProgramResult, ProgramsPort } from '../../core/ports/programs.ts';
import { type UnitSettings, unitText } from './unit-text.ts';

const UNIT = 'steward.service';

export interface ServiceUnit {
  readonly path: string;
  readonly text: string;
  /** Writes the unit, reloads systemd, enables and starts it. Says what was done. */
  install(): Promise<string[]>;
  /** Stops and disables it and takes the file away. Data stays where it is. Says what was done. */
  remove(): Promise<string[]>;
}

/** Steward as a service of systemd: of the system for root, of the user otherwise. */
export function createServiceUnit(
  settings: UnitSettings & { readonly userHome: string; readonly programs: ProgramsPort },
): ServiceUnit {
  const { scope, programs } = settings;
  const path =
    scope === 'system' ? `/etc/systemd/system/${UNIT}` : join(settings.userHome, '.config/systemd/user', UNIT);
  const text = unitText(settings);
  const systemctl = async (...args: string[]): Promise<ProgramResult> =>
    programs.run({ program: 'systemctl', args: [...(scope === 'user' ? ['--user'] : []), ...args], timeoutMs: 90_000 });
  const mustDo = async (...args: string[]): Promise<string> => {
    const { exitCode, stderr } = await systemctl(...args);
    const command = `systemctl ${scope === 'user' ? '--user ' : ''}${args.join(' ')}`;
    if (exitCode !== 0) {
      throw new StewardError('PROGRAM_FAILED', `'${command}' ended with ${exitCode}: ${stderr.trim()}`, {
        hint: 'Where systemd is not what runs this machine, start Steward with your own supervisor: npm start.',
      });
    }
    return command;
  };

  return {
    path,
    text,
    async install() {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(`${path}.new`, text, { mode: 0o644 });
      await rename(`${path}.new`, path);
      return [`wrote ${path}`, await mustDo('daemon-reload'), await mustDo('enable', '--now', UNIT)];
    },
    async remove() {
      const { exitCode } = await systemctl('disable', '--now', UNIT);
      await rm(path, { force: true });
      return [
        ...(exitCode === 0 ? [`systemctl disable --now ${UNIT}`] : []),
        `removed ${path}`,
        await mustDo('daemon-reload'),
      ];
    },
  };
}
