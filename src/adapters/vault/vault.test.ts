import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createVault } from './index.ts';

const key = randomBytes(32);
const vault = createVault({ key });

describe('the vault', () => {
  it('opens what it sealed, also after a restart, and shows nothing of it', () => {
    const sealed = vault.seal('hunter2 \u{1F511}', 'svc_1');

    expect(createVault({ key: Buffer.from(key) }).open(sealed, 'svc_1')).toBe('hunter2 \u{1F511}');
    expect(Buffer.from(sealed, 'base64').toString('latin1')).not.toContain('hunter2');
    expect(vault.seal('hunter2 \u{1F511}', 'svc_1')).not.toBe(sealed);
  });

  it('opens nothing of another key, for another context, or that was altered anywhere', () => {
    const sealed = vault.seal('hunter2', 'svc_1');

    expect(createVault({ key: randomBytes(32) }).open(sealed, 'svc_1')).toBeUndefined();
    expect(vault.open(sealed, 'svc_2')).toBeUndefined();
    const bytes = Buffer.from(sealed, 'base64');
    for (let index = 0; index < bytes.length; index += 1) {
      const altered = Buffer.from(bytes);
      altered[index] = (altered[index] ?? 0) ^ 1;
      expect(vault.open(altered.toString('base64'), 'svc_1')).toBeUndefined();
    }
    expect(vault.open(bytes.subarray(0, 20).toString('base64'), 'svc_1')).toBeUndefined();
    expect(vault.open('', 'svc_1')).toBeUndefined();
  });

  it('marks equal texts alike under one key only', () => {
    const other = createVault({ key: randomBytes(32) });

    expect(vault.fingerprint('a')).toBe(vault.fingerprint('a'));
    expect(vault.fingerprint('a')).not.toBe(vault.fingerprint('b'));
    expect(vault.fingerprint('a')).not.toBe(other.fingerprint('a'));
    expect(vault.keyId).not.toBe(other.keyId);
  });

  it('refuses a key that is too short', () => {
    expect(() => createVault({ key: Buffer.alloc(16) })).toThrow('32 bytes');
  });
});
