const NAMES: Record<number, string> = { 20: 'debug', 30: 'info ', 40: 'warn ', 50: 'ERROR' };

/** `16:02:11 warn  a channel refused the alert  channel=ops attempts=3` */
export function humanLines(json: string): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as { level: number; time: string; msg: string };
  const values = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? printable(value) : JSON.stringify(value)}`,
  );
  return `${[time.slice(11, 19), NAMES[level] ?? String(level), [msg, ...values].join('  ')].join(' ')}\n`;
}

/** Text from the machine may carry terminal escapes; on a terminal they would act. */
function printable(text: string): string {
  return text.includes(' ') || /[^\x20-\x7e\u00a0-\uffff]/.test(text) ? JSON.stringify(text) : text;
}
