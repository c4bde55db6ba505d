import type { Findings } from '../../core/backup/copy.ts';
import type { Smoke } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';

const SHOWN = 500;

/**
 * The user's own program, run against the sandbox: exit code 0 says that the application is well there, any other that it is not.
 * One that is not there, takes too long or is ended by somebody has said nothing of the copy: that is an obstacle.
 */
export async function smokeTest(
  { command, timeout }: Smoke,
  environment: Readonly<Record<string, string>>,
  { programs, doing }: { readonly programs: ProgramsPort; readonly doing: Doing },
): Promise<Findings> {
  const [program = '', ...args] = command;
  const started = performance.now();
  const unasked = (why: string): Findings => ({ layers: [], obstacle: `application: ${why}` });
  try {
    const { exitCode, signal, stdout, stderr } = await programs.run({
      program,
      args,
      env: environment,
      timeoutMs: ms(timeout),
      outputLimit: 64 * 1024,
      signal: doing.signal,
    });
    if (exitCode === null) return unasked(`${program} was ended by ${signal ?? 'a signal'} before it had an answer`);
    const said = (stderr.trim() || stdout.trim()).slice(-SHOWN);
    const layer = {
      layer: 'application' as const,
      ok: exitCode === 0,
      statement:
        exitCode === 0
          ? `${program} is content with the restored copy.`
          : `${program} ended with ${exitCode} on the restored copy${said === '' ? '' : `: ${said}`}`,
      durationMs: performance.now() - started,
      evidence: { exitCode, stdout: stdout.slice(-SHOWN), stderr: stderr.slice(-SHOWN) },
    };
    return { layers: [layer] };
  } catch (thrown) {
    const { code, message } = StewardError.from(thrown);
    doing.signal.throwIfAborted();
    if (code === 'CANCELED') throw thrown;
    return unasked(message);
  }
}
