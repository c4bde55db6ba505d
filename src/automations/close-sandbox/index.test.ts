import { describe, expect, it } from 'vitest';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import closeSandbox from './index.ts';

const now = () => new Date('2026-03-01T05:00:00Z');

describe('close-sandbox', () => {
  it('closes the one that is named, and no other', async () => {
    const ports = fakePorts({ now });
    for (const id of ['sb_1', 'sb_2']) ports.sandboxes.put({ id, source: 'shop' });
    const { status, output } = await performInMemory(closeSandbox, { ports, now, input: { sandbox: 'sb_1' } });
    expect(status).toBe('succeeded');
    expect(output).toEqual({ sandbox: 'sb_1', source: 'shop' });
    expect(ports.sandboxes.list().map(({ id }) => id)).toEqual(['sb_2']);
  });

  it('says that there is none of that name', async () => {
    const ports = fakePorts({ now });
    const { status, error } = await performInMemory(closeSandbox, { ports, now, input: { sandbox: 'sb_3' } });
    expect(status).toBe('failed');
    expect(JSON.stringify(error)).toContain('sb_3 is open on this machine');
  });
});
