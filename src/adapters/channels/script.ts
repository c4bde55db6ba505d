import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { Alert, Channel, Message } from '../../core/alert.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { cut } from './words.ts';

export interface ScriptSettings {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly timeout: string;
}

/** Ending what does not end by itself takes a moment too. */
const END_MS = 5_000;
const MESSAGE_LENGTH = 4_096;

/** A program of the operator: TYPE MESSAGE SEVERITY as arguments, never through a shell, and the whole alert as JSON on its standard input. */
export function scriptChannel(
  { name, program, args, timeout }: ScriptSettings,
  { programs }: Pick<ChannelDeps, 'programs'>,
): Channel {
  const timeoutMs = ms(timeout);
  return {
    name,
    kind: 'script',
    deadlineMs: timeoutMs + END_MS,
    async deliver(alert, signal) {
      const {
        exitCode,
        signal: ended,
        stdout,
        stderr,
      } = await programs.run({
        program,
        args: [...args, alert.kind, messageOf(alert), alert.severity],
        env: environmentOf(alert),
        input: `${JSON.stringify(alert)}\n`,
        timeoutMs,
        outputLimit: 4_096,
        signal,
      });
      const said = (exitCode === 0 ? stdout : stderr || stdout).trim().replaceAll(/\s+/g, ' ').slice(0, 200);
      if (exitCode === 0) return { receipt: `exit 0${said ? `: ${said}` : ''}` };
      throw new StewardError(
        'UNAVAILABLE',
        `The program of channel ${name} ended with ${exitCode === null ? (ended ?? 'no exit code') : `exit code ${exitCode}`}${said ? `: ${said}` : ''}.`,
        { hint: 'It is tried again. Exit code 0 says that somebody was told.' },
      );
    },
  };
}

function messageOf({ title, text }: Alert): string {
  const message = argument(cut(`${title}\n${text}`, MESSAGE_LENGTH));
  // A title is whatever a service is called: it must not be read as an option.
  return message.startsWith('-') ? ` ${message}` : message;
}

function environmentOf({ id, incidentId, service, node, at, url, acknowledgeUrl }: Message): Record<string, string> {
  const all = {
    STEWARD_ALERT: id,
    STEWARD_INCIDENT: incidentId,
    STEWARD_SERVICE: service,
    STEWARD_NODE: node,
    STEWARD_AT: at.toISOString(),
    STEWARD_URL: url,
    STEWARD_ACKNOWLEDGE_URL: acknowledgeUrl,
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([variable, value]) => (value === undefined ? [] : [[variable, argument(value)]])),
  );
}

/** The end of a text to whoever passes it to a program. */
function argument(text: string): string {
  return text.replaceAll('\0', '');
}
