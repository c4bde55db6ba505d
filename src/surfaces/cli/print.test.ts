import { describe, expect, it } from 'vitest';
import { printAnswer } from './print.ts';
import { printRun, printWholeRun, type ReportedRun } from './runs.ts';

const paint = (text: string): string => text;

function printed(
  print: (out: { write(text: string): unknown; isTTY?: boolean; columns?: number }) => void,
  columns?: number,
) {
  let text = '';
  print({ write: (part: string) => (text += part), ...(columns !== undefined && { isTTY: true, columns }) });
  return text;
}

const answer = {
  services: [
    { id: 'svc_1', name: 'nginx', state: 'up', labels: { site: 'rome' } },
    { id: 'svc_22', name: 'shop', state: 'down', labels: {} },
  ],
};

describe('an answer for people', () => {
  it('shows a list within one thing as a table, or as lines where the terminal is too narrow for it', () => {
    expect(printed((out) => printAnswer(answer, undefined, out, paint)).split('\n')).toEqual([
      'services',
      '  id      name   state',
      '  svc_1   nginx  up',
      '  svc_22  shop   down',
      '',
    ]);
    expect(printed((out) => printAnswer(answer, undefined, out, paint), 20)).toContain(
      '  - id svc_1, name nginx, state up\n',
    );
  });

  it('gives each sentence a line', () => {
    const text = printed((out) => printAnswer({ done: ['It joined.', 'Start it.'] }, undefined, out, paint));
    expect(text.split('\n')).toEqual(['done', '  It joined.', '  Start it.', '']);
  });

  it('shows no braces in a cell', () => {
    const text = printed((out) => printAnswer(answer.services, ['name', 'labels'], out, paint));
    expect(text.split('\n')).toEqual(['name   labels', 'nginx  site=rome', 'shop   -', '']);
  });

  it('cuts what is wide, and never an id', () => {
    const row = { id: 'run_0123456789abcdefghij', title: 'A sentence that is much too long for what is left' };
    const text = printed((out) => printAnswer([row], ['id', 'title'], out, paint), 40);
    expect(text.split('\n')[1]).toBe('run_0123456789abcdefghij  A sentence th…');
  });
});

const run: ReportedRun = {
  id: 'run_1',
  automation: 'purge-quarantine',
  status: 'waiting-approval',
  dryRun: false,
  effect: 'destructive',
  trigger: 'cli',
  actor: { kind: 'user', id: 'user_1', name: 'ada', role: 'operator' },
  input: { olderThan: '1d' },
  plan: [{ id: 'a', title: 'Remove batch a', undo: 'none' }],
  planHash: 'feed',
  phases: [],
  changes: [],
  checks: [],
  createdAt: new Date('2026-11-20T20:00:00Z'),
};

describe('a run for people', () => {
  it('shows who asked for what, its plan, and how it is approved', () => {
    const text = printed((out) => printWholeRun(run, out, paint));
    for (const part of ['ada, by cli', 'older than: 1d', 'Remove batch a (undo: none)', 'It destroys something.'])
      expect(text).toContain(part);
    expect(text).toContain('steward run approve run_1 feed');
  });

  it('shows what was seen where a check failed, and what to do', () => {
    const failed: ReportedRun = {
      ...run,
      status: 'failed',
      checks: [{ name: 'The folder may be touched', ok: false, evidence: { refused: ['/nowhere'] } }],
      error: { code: 'PRECONDITION_FAILED', message: 'Does not hold.', hint: 'Choose another.' },
    };
    const text = printed((out) => printWholeRun(failed, out, paint));
    expect(text).toContain('refused: /nowhere');
    expect(text).toContain('Error: Does not hold.\nChoose another.\n');
  });

  it('says how to follow one that was only begun', () => {
    expect(printed((out) => printRun({ ...run, status: 'queued' }, out, paint))).toContain('steward run show run_1');
  });
});
