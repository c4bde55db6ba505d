import { describe, expect, it } from 'vitest';
import type { ChangeEntry } from '../../core/change-log.ts';
import { hypotheses, type Known } from './hypotheses.ts';
import type { Suspect } from './dependencies.ts';

const at = new Date('2026-03-01T12:00:00Z');
const ago = (minutes: number): Date => new Date(at.getTime() - minutes * 60_000);
const entry = (minutes: number, more: Partial<ChangeEntry>): ChangeEntry => ({
  at: ago(minutes),
  kind: 'run',
  title: 'something',
  ...more,
});
const guess = (more: Partial<Known>) =>
  hypotheses({
    resource: { id: 'svc_1', name: 'shop', product: 'nginx' },
    at,
    collected: {},
    dependencies: [],
    changes: [],
    ...more,
  });

describe('first guesses at a cause', () => {
  it('are none where nothing points anywhere', () => {
    expect(guess({})).toEqual([]);
    expect(guess({ collected: 'text', changes: [entry(2, { kind: 'service', title: 'db is down' })] })).toEqual([]);
    expect(guess({ collected: { supervisor: null, host: { disks: [null, 7, {}] } } })).toEqual([]);
  });

  it('begin with what was seen: a dependency, memory, a disk', () => {
    const dependencies = [
      { resource: { name: 'db' }, status: { checks: [{ state: 'down', last: { message: 'connection refused' } }] } },
    ] as unknown as Suspect[];
    const collected = {
      supervisor: { oomKilled: true, exitCode: 137 },
      host: {
        disks: [
          { mount: '/', totalBytes: 1_000, freeBytes: 1 },
          { mount: '/home', totalBytes: 1_000, freeBytes: 900 },
        ],
      },
    };
    expect(guess({ dependencies, collected, changes: [entry(1, { resourceId: 'svc_1' })] })).toEqual([
      { statement: 'db, which shop needs, fails too.', for: ['db: connection refused'], against: [] },
      {
        statement: 'The kernel ended it for want of memory.',
        for: ['Docker says: OOMKilled, exit code 137'],
        against: [],
      },
      { statement: 'A disk is full.', for: ['/ is 99 % full'], against: [] },
    ]);
    expect(guess({ collected: { supervisor: { result: 'oom-kill' } } })[0]?.for).toEqual(['systemd says: oom-kill']);
  });

  it('take the last change that is about it, and say what speaks against it', () => {
    const changes = [
      entry(50, { resourceId: 'svc_1', title: 'deploy on shop succeeded' }),
      entry(40, { kind: 'service', resourceId: 'svc_1', title: 'shop is up' }),
      entry(30, { resourceId: 'svc_2', title: 'deploy on other succeeded' }),
      entry(0.2, { kind: 'service', resourceId: 'svc_1', title: 'shop is down' }),
    ];
    expect(guess({ changes })).toEqual([
      {
        statement: 'It may be because of a change: deploy on shop succeeded.',
        for: ['It happened 50 min before.'],
        against: ['shop was up after that.'],
      },
    ]);
  });

  it('know a package by what the service is, and one of the machine only shortly before', () => {
    const changes = [
      entry(45, { kind: 'package', title: 'nginx-light went from 1.22.1-9 to 1.22.1-10' }),
      entry(40, { kind: 'package', title: 'jq 1.6 was installed' }),
    ];
    expect(guess({ changes }).map(({ statement }) => statement)).toEqual([
      'It may be because of a change: nginx-light went from 1.22.1-9 to 1.22.1-10.',
    ]);
    const near = [entry(3, { kind: 'configuration', title: 'The configuration of Steward changed: services' })];
    expect(guess({ changes: near })[0]?.against).toEqual(['It is about no single service.']);
  });

  it('do not take what came after for a cause', () => {
    expect(guess({ changes: [entry(-1, { resourceId: 'svc_1' })] })).toEqual([]);
  });
});
