import type { UnitInfo } from '../../core/ports/systemd.ts';

/** What `systemctl show` is asked for. */
export const PROPERTIES = [
  'Id',
  'Description',
  'LoadState',
  'ActiveState',
  'SubState',
  'Result',
  'MainPID',
  'ExecMainStatus',
  'NRestarts',
  'Restart',
  'ActiveEnterTimestamp',
  'InactiveEnterTimestamp',
  'FragmentPath',
] as const;

/** Units from the text of `systemctl show`: NAME=value lines, an empty line between units. */
export function parseUnits(text: string, scope: 'system' | 'user'): UnitInfo[] {
  const units: UnitInfo[] = [];
  for (const block of text.split(/\n\n+/)) {
    const values = new Map<string, string>();
    for (const line of block.split('\n')) {
      const at = line.indexOf('=');
      if (at > 0) values.set(line.slice(0, at), line.slice(at + 1));
    }
    const unit = values.get('Id');
    if (!unit) continue;
    const number = (name: string) => Number(values.get(name)) || 0;
    units.push({
      unit,
      scope,
      description: values.get('Description') ?? '',
      loadState: values.get('LoadState') ?? '',
      activeState: values.get('ActiveState') ?? '',
      subState: values.get('SubState') ?? '',
      result: values.get('Result') ?? '',
      mainPid: number('MainPID'),
      execMainStatus: number('ExecMainStatus'),
      restarts: number('NRestarts'),
      restartPolicy: values.get('Restart') ?? '',
      activeSince: parseTimestamp(values.get('ActiveEnterTimestamp')),
      inactiveSince: parseTimestamp(values.get('InactiveEnterTimestamp')),
      fragmentPath: values.get('FragmentPath') || undefined,
    });
  }
  return units;
}

/** `Fri 2026-11-20 16:11:00 UTC`, as systemd writes it under TZ=UTC; `n/a` and nothing mean never. */
export function parseTimestamp(text: string | undefined): Date | undefined {
  const match = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) UTC$/.exec(text ?? '');
  return match ? new Date(`${match[1]}T${match[2]}Z`) : undefined;
}
