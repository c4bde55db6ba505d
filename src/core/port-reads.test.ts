import { describe, expect, it } from 'vitest';
import { isReadOnlyProgram, lookingPorts, onlyLooks, watchedPorts } from './port-reads.ts';
import type { Ports } from './ports.ts';

describe('ports of a phase that only looks', () => {
  const calls: string[] = [];
  const docker = {
    inspect: async (id: string) => void calls.push(`inspect ${id}`),
    restart: async (id: string) => void calls.push(`restart ${id}`),
  } as unknown as Ports['docker'];

  it('let it look and keep it from the rest', async () => {
    const ports = lookingPorts({ docker }, 'peek');
    await ports.docker.inspect('a');
    expect(() => ports.docker.restart('a', { graceSeconds: 0, signal: AbortSignal.abort() })).toThrow(
      expect.objectContaining({
        code: 'POLICY_REFUSED',
        message: expect.stringContaining('peek asked for docker.restart'),
      }),
    );
    expect(calls).toEqual(['inspect a']);
  });

  it('take a method that nobody declared for one that changes the world', () => {
    expect(onlyLooks('docker', 'paintRed', [])).toBe(false);
    expect(onlyLooks('docker', 'constructor', [])).toBe(false);
    expect(onlyLooks('files', 'toString', [])).toBe(false);
  });

  it('judge a request by its method', () => {
    expect(onlyLooks('http', 'request', [{ method: 'GET' }])).toBe(true);
    expect(onlyLooks('http', 'request', [{ method: 'POST' }])).toBe(false);
  });

  it('believe no program that is not on the list, and none by its word alone', () => {
    const run = (program: string, args: string[], reads = true) =>
      onlyLooks('programs', 'run', [{ program, args, reads }]);
    expect(run('du', ['-s', '/var'])).toBe(true);
    expect(run('du', ['-s', '/var'], false)).toBe(false);
    expect(run('rm', ['-r', '/var'])).toBe(false);
    expect(run('systemctl', ['restart', 'nginx'])).toBe(false);
    expect(run('/tmp/du', [])).toBe(false);
    expect(isReadOnlyProgram({ program: 'toString', args: [] })).toBe(false);
  });

  it('tell of every call', () => {
    const seen: string[] = [];
    const ports = watchedPorts({ docker }, ({ port, method, looks }) => void seen.push(`${port}.${method} ${looks}`));
    void ports.docker.inspect('a');
    void ports.docker.restart('a', { graceSeconds: 0, signal: AbortSignal.abort() });
    expect(seen).toEqual(['docker.inspect true', 'docker.restart false']);
  });
});
