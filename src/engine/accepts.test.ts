import { describe, expect, it } from 'vitest';
import { createCatalog } from '../core/catalog.ts';
import { appendLines } from '../testing/engine.ts';
import { createAccepts } from './accepts.ts';

type Row = Parameters<ReturnType<typeof createAccepts>>[0];
const catalog = createCatalog({ automations: [{ ...appendLines, version: 2 }], operations: [], workflows: [] });
const row = (more: Partial<Row> = {}): Row => ({
  automation: 'append-lines',
  version: 2,
  status: 'queued',
  stage: 'plan',
  trigger: 'cli',
  approval: null,
  started_at: null,
  ...more,
});
const approval = { by: 'ada', at: '2026-03-01T12:00:00Z', planHash: 'x' } as never;
const began = new Date('2026-03-01T12:00:00Z');

describe('a run that has not begun', () => {
  it.each<[string, Partial<Row>, { takes: boolean; drains: boolean }]>([
    ['asked for', {}, { takes: true, drains: false }],
    ['of an older plan', { version: 1 }, { takes: true, drains: false }],
    ['planned by a version that is not known here', { version: 3 }, { takes: false, drains: false }],
    ['of an automation that is not known here', { automation: 'newer' }, { takes: false, drains: false }],
    ['that heals this machine', { trigger: 'healing' }, { takes: true, drains: true }],
    ['planned here, with nobody to ask', { stage: 'apply', started_at: began }, { takes: true, drains: true }],
    ['approved meanwhile', { stage: 'apply', started_at: began, approval }, { takes: true, drains: false }],
    ['already under way', { status: 'running', version: 3 }, { takes: true, drains: true }],
  ])('%s', (_what, more, { takes, drains }) => {
    const accepts = (draining: boolean) =>
      createAccepts({ draining: () => draining, catalog: () => catalog })(row(more));

    expect({ takes: accepts(false), drains: accepts(true) }).toEqual({ takes, drains });
  });
});
