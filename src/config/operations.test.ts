import { describe, expect, it } from 'vitest';
import type { Call } from '../core/operation.ts';
import { parseConfig } from './load.ts';
import { configOperations } from './operations.ts';
import { configJsonSchema } from './schema.ts';

const call: Call = {
  actor: { kind: 'user', id: 'u', name: 'Ada', role: 'viewer' },
  now: new Date(),
  from: 'local',
  requestId: 'r',
};

const text = `
alerts:
  channels:
    - { name: chat, kind: slack, url: https://hooks.example.org/services/T0/B0/hunter2 }
    - { name: hook, kind: webhook, url: { env: HOOK_URL }, secret: { env: HOOK_SECRET }, headers: { x-key: hunter2 } }
workflows:
  on_user_register:
    welcome: { url: "https://mail.example.org/hook/hunter2/{userId}", headers: { x-key: hunter2, x-sign: { env: SIGN } } }
deadMan: { url: "https://ping.example.org/hunter2?key=hunter2" }
services:
  - name: shop
    checks: [{ kind: http, url: "http://me:hunter2@127.0.0.1:8080/", headers: { authorization: "Basic hunter2" } }]
`;

describe('config', () => {
  it('shows what is in force and where it comes from, without secrets', async () => {
    const current = parseConfig(text, { file: '/etc/steward/steward.yaml' });
    const [show] = configOperations({ current: () => current, rejected: () => undefined });

    const shown = JSON.stringify(show?.output.parse(await show.handle({}, call)));

    expect(shown).not.toContain('hunter2');
    expect(shown).toContain('https://hooks.example.org/[redacted]');
    expect(shown).toContain('"secret":{"env":"HOOK_SECRET"}');
    expect(shown).toContain('"x-sign":{"env":"SIGN"}');
    expect(shown).toContain('"alerts.channels.0.name":"steward.yaml:4:15"');
    expect(shown).toContain('"every":"60s"');
  });

  it('describes every member for editors, and makes none of them mandatory', () => {
    const schema = configJsonSchema();

    expect(schema.required).toBeUndefined();
    expect(schema.additionalProperties).toBe(false);
    for (const [name, member] of Object.entries(schema.properties ?? {})) {
      expect(typeof member === 'object' && member.description, name).toEqual(expect.any(String));
    }
  });
});
