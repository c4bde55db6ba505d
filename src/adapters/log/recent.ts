import type { Json } from '../../core/json.ts';
import { type Line, LogLevel } from '../../core/lines.ts';

const KEPT = 1_000;

/** What this process said last, kept so that it can be followed and searched like any other log. */
export function createRecentLog(now: () => Date) {
  const lines: Line[] = [];
  const listeners = new Set<(line: Line) => void>();
  return {
    recent: (): readonly Line[] => lines,
    on(listener: (line: Line) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    /** Without secrets already. */
    note(
      level: 'debug' | 'info' | 'warn' | 'error',
      message: string,
      fields: { readonly [name: string]: Json | undefined },
    ): void {
      const told = Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
      const line: Line = {
        at: now(),
        component: 'steward',
        level: LogLevel.parse(level === 'warn' ? 'warning' : level),
        text: [message, ...told].join('  '),
        source: 'steward',
      };
      lines.push(line);
      if (lines.length > KEPT) lines.shift();
      for (const listener of listeners) listener(line);
    },
  };
}
