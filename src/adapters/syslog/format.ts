import type { SyslogMessage } from '../../core/syslog.ts';

export const FACILITIES = {
  user: 1,
  daemon: 3,
  auth: 4,
  syslog: 5,
  authpriv: 10,
  audit: 13,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;
export type Facility = keyof typeof FACILITIES;

const SEVERITIES = { critical: 2, error: 3, warning: 4, notice: 5, info: 6 } as const;

/** What most receivers take whole. */
const LONGEST_BYTES = 8_000;
/** The number that RFC 5612 keeps for whoever has none. */
const SD_ID = 'audit@32473';

export const priorityOf = (facility: Facility, severity: SyslogMessage['severity']): number =>
  FACILITIES[facility] * 8 + SEVERITIES[severity];

/** One message as RFC 5424 spells it. */
export function format(message: SyslogMessage, facility: Facility): string {
  const header = [
    `<${priorityOf(facility, message.severity)}>1`,
    message.at.toISOString(),
    printable(message.host, 255),
    'steward',
    '-',
    printable(message.id, 32),
  ].join(' ');
  return cut(`${header} ${structured(message.data)} ${oneLine(message.text)}`, LONGEST_BYTES);
}

/** Local sockets take neither a version nor structured data, so both stand in the text. */
export function formatLocal(message: SyslogMessage, facility: Facility): string {
  return cut(
    `<${priorityOf(facility, message.severity)}>${structured(message.data)} ${oneLine(message.text)}`,
    LONGEST_BYTES,
  );
}

function structured(data: SyslogMessage['data']): string {
  const params = Object.entries(data).map(
    ([name, value]) => `${paramName(name)}="${oneLine(value).replaceAll(/["\\\]]/g, String.raw`\$&`)}"`,
  );
  return params.length === 0 ? '-' : `[${[SD_ID, ...params].join(' ')}]`;
}

function paramName(name: string): string {
  return name.replaceAll(/[^\x21-\x7e]|[="\]]/g, '_').slice(0, 32) || '_';
}

function printable(text: string, longest: number): string {
  return text.replaceAll(/[^\x21-\x7e]/g, '_').slice(0, longest) || '-';
}

/** Nobody begins a message of their own inside of one. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what must not get through
  return text.replaceAll(/[\u0000-\u001f\u007f\u0085\u2028\u2029]/g, ' ');
}

/** At the end of a character, so that it stays readable. */
function cut(text: string, bytes: number): string {
  const buffer = Buffer.from(text);
  if (buffer.length <= bytes) return text;
  let end = bytes;
  while (end > 0 && ((buffer[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return buffer.subarray(0, end).toString();
}
