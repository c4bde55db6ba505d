import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { unitText } from './unit-text.ts';

const folder = mkdtempSync(join(tmpdir(), 'steward-unit-'));
const installed = spawnSync('systemd-analyze', ['--version']).status === 0;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!installed)('the unit, read by systemd-analyze', () => {
  it.each(['system', 'user'] as const)('verifies clean in the %s scope, with a path that has spaces', (scope) => {
    const launcher = join(folder, 'with space', 'steward.js');
    const unit = join(folder, 'steward.service');
    writeFileSync(unit, unitText({ node: process.execPath, launcher, home: '/var/lib/steward 100%', scope }));

    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' });

    expect({ status, complaints: stderr.split('\n').filter((line) => line.includes('steward')) }).toEqual({
      status: 0,
      complaints: [],
    });
  });

  it('exposes less than an unconfined service', () => {
    const unit = join(folder, 'steward.service');
    writeFileSync(
      unit,
      unitText({
        node: process.execPath,
        launcher: '/opt/steward/bin/steward.js',
        home: '/var/lib/steward',
        scope: 'system',
      }),
    );

    const { stdout, stderr } = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', unit], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const exposure = Number(/Overall exposure level for [^:]+: ([\d.]+)/.exec(stdout)?.[1]);

    expect(exposure).toBeLessThan(8);
  });
});
