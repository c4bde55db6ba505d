import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { Alert } from '../../core/alert.ts';
import { createPrograms } from '../programs/index.ts';
import { type ScriptSettings, scriptChannel } from './script.ts';

const alert: Alert = {
  id: 'alr_1',
  kind: 'opened',
  severity: 'critical',
  title: 'shop is down',
  text: 'It answered 500.',
  incidentId: 'inc_1',
  service: 'shop',
  node: 'one',
  at: new Date('2026-01-02T03:04:05Z'),
};

const folder = mkdtempSync(join(tmpdir(), 'steward-script-'));
const marker = join(folder, 'marker');
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => rmSync(marker, { force: true }));

function program(text: string): string {
  const path = join(folder, 'custom-alert.sh');
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

const deliver = async (
  text: string,
  told: Alert = alert,
  more: Partial<ScriptSettings> = {},
  signal = AbortSignal.timeout(20_000),
): Promise<string> => {
  const settings = { name: 'own', program: program(text), args: [], timeout: '10s', ...more };
  const channel = scriptChannel(settings, { programs: createPrograms({ environment: process.env }) });
  return (await channel.deliver(told, signal)).receipt;
};

describe('a script as channel', () => {
  it('is called with TYPE MESSAGE SEVERITY, and has the alert on its standard input', async () => {
    const receipt = await deliver(
      `printf '%s\\n' "$@" "$STEWARD_INCIDENT $STEWARD_SERVICE" > ${marker}; cat >> ${marker}; echo told`,
    );

    const [kind, title, text, severity, variables, json] = readFileSync(marker, 'utf8').split('\n');
    expect([kind, title, text, severity, variables]).toEqual([
      'opened',
      'shop is down',
      'It answered 500.',
      'critical',
      'inc_1 shop',
    ]);
    expect(JSON.parse(json ?? '')).toEqual(JSON.parse(JSON.stringify(alert)));
    expect(receipt).toBe('exit 0: told');
  });

  it('has its own arguments before those three', async () => {
    await deliver(`echo "$1 $2 $5" > ${marker}`, alert, { args: ['--to', 'ops'] });

    expect(readFileSync(marker, 'utf8')).toBe('--to ops critical\n');
  });

  it('is given hostile text as one argument, which no shell reads and which is no option', async () => {
    const title = `--help $(touch ${marker}.evil); \`touch ${marker}.evil\` '" && touch ${marker}.evil\u0000`;

    await deliver(`printf '%s|%s' "$#" "$2" > ${marker}`, { ...alert, title, service: 'a\u0000b' });

    expect(readFileSync(marker, 'utf8')).toBe(`3| ${title.replaceAll('\0', '')}\nIt answered 500.`);
    expect(existsSync(`${marker}.evil`)).toBe(false);
  });

  it('is tried again where it fails, with what it said', async () => {
    await expect(deliver('echo "no such user" >&2; exit 3')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
      message: 'The program of channel own ended with exit code 3: no such user.',
    });
  });

  it('is ended after its time, with what it started', async () => {
    await expect(deliver(`sleep 300 & echo $! > ${marker}; wait`, alert, { timeout: '1s' })).rejects.toMatchObject({
      code: 'TIMEOUT',
      retryable: true,
    });
    const child = readFileSync(marker, 'utf8').trim();
    const state = existsSync(`/proc/${child}`) ? readFileSync(`/proc/${child}/status`, 'utf8') : 'gone';
    expect(state).toMatch(/^gone$|^State:\tZ/m);
  });

  it('is not tried again where there is no such program', async () => {
    await expect(deliver('', alert, { program: join(folder, 'missing') })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      retryable: false,
    });
  });
});
