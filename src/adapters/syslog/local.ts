import { StewardError } from '../../core/errors.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { SyslogMessage } from '../../core/syslog.ts';
import { type Facility, formatLocal } from './format.ts';

/** The socket takes datagrams, which Node cannot send to a path: `logger` of every Linux can. */
export async function sendByLogger(
  messages: readonly SyslogMessage[],
  options: {
    readonly path: string;
    readonly facility: Facility;
    readonly programs: ProgramsPort;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { exitCode, stderr } = await options.programs.run({
    program: 'logger',
    args: ['--socket', options.path, '--socket-errors=on', '--tag', 'steward', '--size', '8KiB', '--prio-prefix'],
    input: messages.map((message) => `${formatLocal(message, options.facility)}\n`).join(''),
    timeoutMs: options.timeoutMs,
    signal: options.signal,
  });
  if (exitCode === 0 && stderr.trim() === '') return;
  throw new StewardError(
    'UNAVAILABLE',
    `The system log at ${options.path} did not take the messages: ${stderr.trim().slice(0, 300) || `logger ended with ${exitCode}`}.`,
    { hint: 'See that a syslog daemon or the journal listens there.' },
  );
}
