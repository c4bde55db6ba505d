import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome, removeHome, type RunningSteward, startSteward } from '../kit/steward.ts';
import { type BearerProxy, bearerProxy } from './bearer-proxy.ts';

const MODULES = resolve(import.meta.dirname, '../../node_modules');
const CONFORMANCE = join(MODULES, '@modelcontextprotocol/conformance/dist/index.js');
const INSPECTOR = join(MODULES, '.bin/mcp-inspector');
const LAUNCHER = resolve(import.meta.dirname, '../../bin/steward.js');
const INSPECTED_ERAS = ['legacy', 'modern'];

let home: string;
let work: string;
let server: RunningSteward;
let token: string;
let proxy: BearerProxy;

/** Ends with its output; nothing of the developer's own settings is read or written. */
function run(file: string, args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { PATH = '' } = process.env;
  return new Promise((done) => {
    execFile(
      process.execPath,
      [file, ...args],
      { cwd: work, env: { PATH, HOME: work, STEWARD_HOME: home }, timeout: 60_000, maxBuffer: 16_000_000 },
      (error, stdout, stderr) =>
        done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
    );
  });
}

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'stw-mcp-'));
  home = makeHome('discovery:\n  enabled: false\n');
  server = await startSteward({ home });
  token = readFileSync(join(home, 'agent-token'), 'utf8').trim();
  proxy = await bearerProxy(server.url, token);
}, 90_000);

afterAll(async () => {
  await proxy?.close();
  await server?.kill();
  await removeHome(home);
  rmSync(work, { recursive: true, force: true });
});

describe('mcp-inspector --strict', () => {
  it.each(INSPECTED_ERAS)('finds nothing wrong with the default tools in the %s era', async (era) => {
    const { code, stdout, stderr } = await run(INSPECTOR, [
      '--cli',
      '--server-url',
      `${server.url}/mcp`,
      '--transport',
      'http',
      '--header',
      `Authorization: Bearer ${token}`,
      '--method',
      'tools/list',
      '--strict',
      '--format',
      'json',
      '--protocol-era',
      era,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { result } = JSON.parse(stdout) as { result: { tools: { name: string }[] } };
    expect(result.tools.map(({ name }) => name)).toContain('automation_run');
  });

  it.each(INSPECTED_ERAS)('finds no error in any tool over stdio in the %s era', async (era) => {
    const { code, stdout } = await run(INSPECTOR, [
      '--cli',
      process.execPath,
      LAUNCHER,
      'mcp',
      '--toolsets',
      'all',
      '-e',
      `STEWARD_HOME=${home}`,
      '--method',
      'tools/list',
      '--strict',
      '--format',
      'json',
      '--protocol-era',
      era,
    ]);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { result: { tools: unknown[] } }).result.tools.length).toBeGreaterThan(20);
  });
});

describe('the conformance suite', () => {
  it.each(['2025-11-25', '2026-07-28'])(
    'of %s fails where it is expected to, and nowhere else',
    async (revision) => {
      const { code, stdout, stderr } = await run(CONFORMANCE, [
        'server',
        '--url',
        `${proxy.url}/mcp`,
        '--requirements',
        revision,
        '-o',
        join(work, revision),
        '--expected-failures',
        join(import.meta.dirname, `expected-failures.${revision}.yml`),
      ]);
      // What it says comes first: the code alone would tell nobody what to look at.
      expect(`${stdout}${stderr}`).not.toMatch(/Unexpected failures \(|Stale/);
      expect(stdout).toMatch(/✓ (server-initialize|caching)/);
      expect(code).toBe(0);
    },
    60_000,
  );

  it('has a reason for each line that it is expected to fail', () => {
    for (const revision of ['2025-11-25', '2026-07-28']) {
      const lines = readFileSync(join(import.meta.dirname, `expected-failures.${revision}.yml`), 'utf8').split('\n');
      const entries = lines.filter((line) => line.startsWith('  - '));
      expect(entries.length).toBeGreaterThan(10);
      expect(entries.filter((line) => !/^ {2}- \S+ # \S.{10,}/.test(line))).toEqual([]);
    }
  });
});
