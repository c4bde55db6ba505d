import { mkdir, mkdtemp, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSecretResolver } from '../../adapters/secrets/secrets.ts';
import { memoryLog } from '../../testing/log.ts';
import { type ConfiguredType, createHookTypes } from './types.ts';

const SCHEMA = { type: 'object', required: ['kind'] };

describe('secrets and schemas of webhook types', () => {
  let folder: string;
  let bank: ConfiguredType;
  let at: number;
  let log: ReturnType<typeof memoryLog>;
  let types: ReturnType<typeof createHookTypes>;
  const secret = () => join(folder, 'secret');
  const schema = () => join(folder, 'schema.json');
  const write = (path: string, text: string) => writeFile(path, text, { mode: 0o600 });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steward-types-'));
    at = 0;
    log = memoryLog();
    bank = {
      preset: 'steward',
      secrets: [{ file: secret() }],
      schema: { file: schema(), mismatch: 'refuse' },
      maxBytes: 1024,
      toleranceSeconds: 300,
      repeats: 'id',
      retry: { attempts: 1, backoffMs: 1 },
      afterDead: 'go-on',
    };
    await write(secret(), 'first');
    await write(schema(), JSON.stringify(SCHEMA));
    types = createHookTypes({
      configured: () => ({ bank }),
      secrets: createSecretResolver({ variable: () => undefined, log }),
      clock: () => at,
      log,
    });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const read = async () => (await types.read())['bank'];

  it('stay as they were last read while they cannot be read, and that is told when it lasts', async () => {
    const before = await read();
    expect(before).toMatchObject({ secrets: ['first'], schema: { is: SCHEMA } });
    await rm(secret());
    await mkdir(secret());
    await write(schema(), '{"type": ');
    expect(await read()).toEqual(before);
    expect(types.problem()).toBeUndefined();
    expect([...types.unreadable]).toEqual(['bank']);
    at = 59_999;
    await read();
    expect(types.problem()).toBeUndefined();
    at = 60_000;
    expect(await read()).toEqual(before);
    expect(types.problem()).toContain(`The secret {file: ${secret()}} cannot be read`);
    expect(types.problem()).toContain(`The schema ${schema()} of bank cannot be used`);
    expect(types.problem()).toContain('as it was last read');
    await rmdir(secret());
    await write(secret(), 'second');
    await write(schema(), 'true');
    expect(await read()).toMatchObject({ secrets: ['second'], schema: { is: true } });
    expect(types.problem()).toBeUndefined();
    expect(types.unreadable.size).toBe(0);
  });

  it('end when one was taken away for a minute, and are good again when it is back', async () => {
    bank = { ...bank, secrets: [{ file: secret() }, { file: join(folder, 'next') }] };
    await write(join(folder, 'next'), 'next');
    await read();
    await rm(secret());
    await read();
    at = 59_999;
    expect(await read()).toMatchObject({ secrets: ['first', 'next'] });
    at = 60_000;
    const without = await read();
    expect(without).toMatchObject({ secrets: ['next'] });
    // Whom it was good for is refused for good.
    expect(without).not.toHaveProperty('incomplete');
    expect(types.problem()).toContain(`${secret()} was taken away. It is good for no webhook of bank any more`);
    // Not even where nobody can say that any more.
    await rename(folder, `${folder}-away`);
    expect(await read()).toMatchObject({ secrets: ['next'] });
    await rename(`${folder}-away`, folder);
    await write(secret(), 'first');
    expect(await read()).toMatchObject({ secrets: ['first', 'next'] });
    expect(types.problem()).toBeUndefined();
  });

  it('do not end where a rotation took one away for a moment, again and again', async () => {
    await read();
    for (at = 50_000; at < 500_000; at += 50_000) {
      await rm(secret());
      expect(await read()).toMatchObject({ secrets: ['first'] });
      await write(secret(), 'first');
      await read();
    }
  });

  it.each([
    ['is away', async () => await rename(folder, `${folder}-away`)],
    [
      'is another one',
      async () => {
        await rename(folder, `${folder}-away`);
        await mkdir(folder);
      },
    ],
  ])('hold for a day where their folder %s, and then leave nothing to judge by', async (_which, leave) => {
    await read();
    await leave();
    await read();
    at = 24 * 3_600_000 - 1;
    expect(await read()).toMatchObject({ secrets: ['first'], schema: { is: SCHEMA } });
    at += 1;
    expect(await read()).toMatchObject({ secrets: [], incomplete: true, schema: { is: SCHEMA } });
    expect(types.problem()).toContain('answered with 503');
    await rm(folder, { recursive: true, force: true });
    await rename(`${folder}-away`, folder);
    const back = await read();
    expect(back).toMatchObject({ secrets: ['first'] });
    expect(back).not.toHaveProperty('incomplete');
  });

  it('that were never read leave nothing to judge by, and that is told at once', async () => {
    await rm(secret());
    const none = await read();
    expect(none).toMatchObject({ secrets: [], incomplete: true });
    expect(types.problem()).toContain('answered with 503');
    await write(secret(), 'first');
    expect(await read()).not.toHaveProperty('incomplete');
    expect(types.problem()).toBeUndefined();
  });

  it('that were never read are not left out: with one secret of two it is not known who is wrong', async () => {
    bank = { ...bank, secrets: [{ file: secret() }, { file: join(folder, 'next') }] };
    expect(await read()).toMatchObject({ secrets: ['first'], incomplete: true });
    expect(types.problem()).toContain('next');
    await rm(schema());
    types = createHookTypes({
      configured: () => ({ bank }),
      secrets: createSecretResolver({ variable: () => undefined, log }),
      clock: () => at,
      log,
    });
    expect(await read()).toMatchObject({ secrets: [], incomplete: true });
  });

  it('that left the configuration are not good any more', async () => {
    await read();
    await write(join(folder, 'next'), 'next');
    bank = { ...bank, secrets: [{ file: join(folder, 'next') }] };
    expect(await read()).toMatchObject({ secrets: ['next'] });
    await rm(secret());
    bank = { ...bank, secrets: [{ file: secret() }] };
    expect(await read()).toMatchObject({ secrets: [], incomplete: true });
  });

  it('are logged once as long as nothing changes', async () => {
    await rm(secret());
    await read();
    await read();
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });
});
