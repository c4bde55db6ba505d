import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineQuery, pageOf, PageInput } from '../src/core/operation.ts';
import { StewardError } from '../src/core/errors.ts';
import type { CliOptions } from '../src/surfaces/cli/cli-options.ts';
import { buildCli } from '../src/surfaces/cli/index.ts';
import { manifestOf } from '../src/surfaces/manifest-of.ts';
import { composeSmall, type SmallComposition } from './small-composition.ts';

const gauges = defineQuery({
  name: 'gauges',
  title: 'Gauges',
  summary: 'Lists gauges.',
  permission: 'read',
  columns: ['name', 'state', 'seenAt'],
  input: PageInput,
  output: pageOf(z.object({ name: z.string(), state: z.string(), seenAt: z.coerce.date() })),
  handle: async ({ limit }) => ({
    items: [
      { name: 'boiler', state: 'up', seenAt: new Date('2026-11-20T12:00:00Z') },
      { name: 'evil\u{1b}[2J\u{9b}2Jname', state: 'down', seenAt: new Date('2026-11-20T12:00:01Z') },
    ].slice(0, limit),
    ...(limit === 1 ? { next: 'after-boiler' } : {}),
  }),
});

describe('the command line', () => {
  let small: SmallComposition;
  let away: string;

  beforeAll(async () => {
    small = await composeSmall({ operations: [gauges] });
    const { url } = await small.rest.listen();
    await writeFile(join(small.home, 'server.json'), JSON.stringify({ url, pid: process.pid }));
    away = await mkdtemp(join(tmpdir(), 'steward-away-'));
  });
  afterAll(async () => {
    await small.stop();
    await rm(away, { recursive: true });
  });

  async function steward(args: string[], options: Partial<CliOptions> & { tty?: boolean } = {}) {
    let stdout = '';
    let stderr = '';
    const cli = buildCli({
      described: async () => manifestOf(small.catalog),
      catalogOf: async () => small.catalog,
      offline: {},
      local: [],
      home: small.home,
      version: '1.2.3',
      env: {},
      stdout: { write: (text) => void (stdout += text), isTTY: options.tty, columns: 60 },
      stderr: { write: (text) => void (stderr += text), isTTY: options.tty },
      ...options,
    });
    const exitCode = await cli.run(args);
    return { exitCode, stdout, stderr };
  }

  it('prints a list as a table, without anything a terminal would obey', async () => {
    const { stdout, exitCode } = await steward(['gauges']);

    expect(exitCode).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'name             state  seen at',
      'boiler           up     2026-11-20 12:00:00',
      'evil [2J 2Jname  down   2026-11-20 12:00:01',
      '',
    ]);
  });

  it('prints the rows of a page as an array, and says on the other stream that there are more', async () => {
    const { stdout, stderr } = await steward(['gauges', '--json', '--limit', '1']);

    expect(JSON.parse(stdout)).toEqual([{ name: 'boiler', state: 'up', seenAt: '2026-11-20T12:00:00.000Z' }]);
    expect(stderr).toBe('There are more: --cursor after-boiler\n');
  });

  it('colors only for a terminal that wants it', async () => {
    expect((await steward(['gauges'], { tty: true })).stdout).toContain('\u{1b}[31mdown');
    expect((await steward(['gauges'], { tty: true, env: { NO_COLOR: '1' } })).stdout).not.toContain('\u{1b}[31m');
  });

  it('creates a token whose text is in the JSON', async () => {
    const { stdout } = await steward(['token', 'create', '--role', 'viewer', '--name', 'screen', '--json']);

    const { token } = JSON.parse(stdout);
    expect(token).toMatch(/^stw_/);
    expect((await steward(['gauges', '--json', '--url', serverUrl(), '--token', token])).exitCode).toBe(0);
  });

  const serverUrl = (): string => `http://127.0.0.1:${(small.rest.app.server.address() as { port: number }).port}`;

  it('takes arguments, lists, numbers and flags in the types of the schema', async () => {
    const { stdout } = await steward([
      'echo',
      '--word',
      'hello',
      '--times',
      '3',
      '--loud',
      '--tags',
      'a',
      '--tags',
      'b',
      '--json',
    ]);

    expect(JSON.parse(stdout)).toEqual({ word: 'hello', times: 3, loud: true, tags: ['a', 'b'] });
    expect((await steward(['audit', 'trail', 'token', 'nosuch', '--json'])).stdout.trim()).toBe('[]');
  });

  it('starts a run with its input as options, pairs or JSON', async () => {
    const inputs = [
      ['--room', 'hall', '--times', '2'],
      ['--input', 'room=hall', '--input', 'times=2'],
      ['--input', '{"room":"hall","times":2}'],
    ];
    for (const input of inputs) {
      const { stdout, exitCode } = await steward(['run', 'sweep-floor', ...input, '--reason', 'dust', '--json']);
      expect([exitCode, JSON.parse(stdout)]).toMatchObject([
        0,
        { status: 'queued', trigger: 'cli', reason: 'dust', input: { room: 'hall', times: 2 } },
      ]);
    }
  });

  it('says which field is wrong and what to do, and exits by the code of the error', async () => {
    const wrong = await steward(['run', 'sweep-floor', '--room', 'hall', '--times', 'many']);
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toMatch(/^Error: input\.times: .*\nCorrect the fields/);

    expect(await steward(['run', 'sweep-flor'])).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('sweep-floor'),
    });
    expect((await steward(['token', 'revoke', 'nosuch'])).exitCode).toBe(4);
    expect((await steward(['sign-treaty'])).exitCode).toBe(8);
    expect((await steward(['gauges', '--no-such-option'])).exitCode).toBe(2);
    expect((await steward(['no-such-command'])).exitCode).toBe(2);
    expect(JSON.parse((await steward(['token', 'revoke', 'nosuch', '--json'])).stderr)).toMatchObject({
      error: { code: 'NOT_FOUND', hint: expect.any(String) },
    });
    expect(JSON.parse((await steward(['no-such-command', '--json'])).stderr)).toMatchObject({
      error: { code: 'INPUT_INVALID', message: "unknown command 'no-such-command'" },
    });
    expect(await steward(['run', 'sweep-flor', '--room', 'hall'])).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('sweep-floor'),
    });
  });

  it('says that no server runs, unless there is a way without one', async () => {
    const offline = { 'create-token': async (input: Record<string, unknown>) => ({ token: 'stw_offline', input }) };
    expect(await steward(['gauges'], { home: away, offline })).toMatchObject({
      exitCode: 15,
      stderr: expect.stringContaining('npm start'),
    });
    expect(
      JSON.parse(
        (await steward(['token', 'create', '--role', 'viewer', '--name', 'x', '--json'], { home: away, offline }))
          .stdout,
      ),
    ).toEqual({
      token: 'stw_offline',
      input: { name: 'x', role: 'viewer', expires: '90d' },
    });
    expect(
      (await steward(['token', 'create', '--role', 'king', '--name', 'x'], { home: away, offline })).exitCode,
    ).toBe(2);

    await writeFile(join(away, 'server.json'), JSON.stringify({ url: 'http://127.0.0.1:9', pid: 1 }));
    await writeFile(join(away, 'cli-token'), 'stw_local_x');
    expect((await steward(['gauges'], { home: away, offline })).exitCode).toBe(15);
    expect(
      (await steward(['token', 'create', '--role', 'viewer', '--name', 'x', '--json'], { home: away, offline }))
        .exitCode,
    ).toBe(0);
  });

  it('never sends the credential of this machine to another address', async () => {
    expect((await steward(['gauges', '--url', 'http://127.0.0.1:9'])).exitCode).toBe(7);
  });

  const unwanted = (): Promise<never> => Promise.reject(new Error('must not be loaded'));

  it('asks the running server what it can do instead of loading every definition', async () => {
    const [described, catalogOf] = [unwanted, unwanted];
    expect((await steward(['gauges'], { described, catalogOf })).exitCode).toBe(0);
  });

  it('runs what needs no server without loading the definitions', async () => {
    const [described, catalogOf] = [unwanted, unwanted];
    const local = [
      {
        words: ['config', 'validate'],
        summary: 'Checks.',
        options: [{ flags: '--file <path>', summary: 'Which.' }],
        run: async ({ options }: { options: Readonly<Record<string, unknown>> }) => ({
          valid: true,
          file: options['file'],
        }),
      },
      {
        words: ['doctor'],
        summary: 'Looks.',
        run: () => Promise.reject(new StewardError('DISK_FULL', 'The disk is full.', { hint: 'Free some.' })),
      },
    ];

    expect(await steward(['config', 'validate', '--file', 'a.yaml'], { described, catalogOf, local })).toMatchObject({
      exitCode: 0,
      stdout: 'valid: yes\nfile: a.yaml\n',
    });
    expect(await steward(['doctor'], { described, catalogOf, local })).toMatchObject({
      exitCode: 23,
      stderr: 'Error: The disk is full.\nFree some.\n',
    });
  });

  it('describes without a server and without the definitions what this version can do', async () => {
    const help = await steward(['token', 'create', '--help'], { home: away, catalogOf: unwanted });

    expect(help.stdout).toContain('--role <viewer|operator|admin|auditor|agent>');
    expect((await steward(['gauges'], { home: away, catalogOf: unwanted })).exitCode).toBe(15);
  });

  it('lists every command, and describes one with its options', async () => {
    const { stdout, exitCode } = await steward(['--help']);
    expect(exitCode).toBe(0);
    for (const word of ['gauges', 'token', 'audit', 'run', 'plan', 'sign-treaty']) expect(stdout).toContain(word);

    const help = await steward(['token', 'create', '--help']);
    expect(help.stdout).toContain('--role <viewer|operator|admin|auditor|agent>');
    expect((await steward(['--version'])).stdout.trim()).toBe('1.2.3');
  });
});
