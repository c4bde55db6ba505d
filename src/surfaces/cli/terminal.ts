/** What a terminal is to the command line: process.stdout, or a list in a test. */
export interface Terminal {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

const COLORS = { red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36, gray: 90, bold: 1 } as const;
/** For telling one from another, where nothing is good or bad. */
export const PREFIX_COLORS = ['cyan', 'magenta', 'blue', 'green', 'yellow'] as const;
export type Color = keyof typeof COLORS;
export type Paint = (text: string, color: Color | 'plain') => string;

export function painter(terminal: Terminal, env: Readonly<Record<string, string | undefined>>): Paint {
  const colorful = terminal.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  return colorful
    ? (text, color) => (color === 'plain' ? text : `\u{1b}[${COLORS[color]}m${text}\u{1b}[0m`)
    : (text) => text;
}

const COLOR_OF: Record<string, Color> = {
  up: 'green',
  healthy: 'green',
  succeeded: 'green',
  alive: 'green',
  resolved: 'green',
  degraded: 'yellow',
  warning: 'yellow',
  'waiting-approval': 'yellow',
  healing: 'yellow',
  open: 'yellow',
  stale: 'yellow',
  down: 'red',
  unhealthy: 'red',
  critical: 'red',
  failed: 'red',
  'rollback-failed': 'red',
  escalated: 'red',
  refused: 'red',
  lost: 'red',
  unknown: 'gray',
  stopped: 'gray',
  pending: 'gray',
};

export function colorOf(word: string): Color | undefined {
  return COLOR_OF[word];
}

/** A line as it is laid out, without anything that a terminal would obey. */
export function inert(text: string): string {
  // oxlint-disable-next-line eslint/no-control-regex -- these are what must not reach the terminal
  const obeyed = /[\u{0}-\u{1f}\u{7f}-\u{9f}\u{200e}\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}]/gu;
  return text.replaceAll('\t', '  ').replaceAll(obeyed, '\u{fffd}').trimEnd();
}

/** Text of machines and people without anything a terminal would obey, on one line. */
export function plain(text: string): string {
  // oxlint-disable-next-line eslint/no-control-regex -- these are what must not reach the terminal
  const obeyed = /[\s\u{0}-\u{1f}\u{7f}-\u{9f}\u{200e}\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}]+/gu;
  return text.replaceAll(obeyed, ' ').trim();
}
