import type { LayerResult } from '../../core/backup/copy.ts';
import type { Smoke } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';

const SHOWN = 500;

/** The user's own program, run against the sandbox: exit code 0 says that the application is well there. */
export async function smokeTest(
  { command, timeout }: Smoke,
  environment: Readonly<Record<string, string>>,
  { programs, doing }: { readonly programs: ProgramsPort; readonly doing: Doing },
): Promise<LayerResult> {
  const [program = '', ...args] = command;
  const started = performance.now();
  const told = (ok: boolean, statement: string, evidence: LayerResult['evidence']): LayerResult => ({
    layer: 'application',
    ok,
    statement,
    durationMs: performance.now() - started,
    evidence,
  });
  try {
    const { exitCode, stdout, stderr } = await programs.run({
      program,
      args,
      env: environment,
      timeoutMs: ms(timeout),
      outputLimit: 64 * 1024,
      signal: doing.signal,
    });
    const said = { exitCode, stdout: stdout.slice(-SHOWN), stderr: stderr.slice(-SHOWN) };
    return exitCode === 0
      ? told(true, `${program} is content with the restored copy.`, said)
      : told(false, `${program} ended with ${exitCode ?? 'a signal'} on the restored copy.`, said);
  } catch (thrown) {
    const { code, message } = StewardError.from(thrown);
    if (code === 'CANCELED') throw thrown;
    return told(false, `${program} could not look at the restored copy: ${message}`, { code });
  }
}
