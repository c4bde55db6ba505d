import { pino } from 'pino';
import type { Log } from '../../core/log.ts';
import { redact, redactText } from '../../core/redact.ts';
import { humanLines } from './human-lines.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** One line of JSON an entry, or one line for a person where a terminal reads along. Nothing gets past the redactor. */
export function createLog(options: {
  readonly level: LogLevel;
  readonly human: boolean;
  readonly write: (line: string) => void;
  /** What is written, without secrets. */
  readonly note?:
    | ((level: keyof Log, message: string, fields: NonNullable<Parameters<Log['info']>[1]>) => void)
    | undefined;
}): Log {
  const stream = { write: options.human ? (line: string) => options.write(humanLines(line)) : options.write };
  const logger = pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error'): Log['info'] =>
    (message, fields) => {
      if (!logger.isLevelEnabled(level)) return;
      const [safe, text] = [redact(fields ?? {}), redactText(message)];
      logger[level](safe, text);
      options.note?.(level, text, safe);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
