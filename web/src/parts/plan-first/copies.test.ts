import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { asCommand, asCurl, asWorkflow } from './copies.ts';

const NASTY = `it's "$HOME" \`id\` \\ no: #x\nnext`;
const wanted = {
  automation: 'call-http',
  input: { url: 'https://example.com', body: NASTY, json: { from: 'x' }, repeatable: true, list: ['no', '1', NASTY] },
  reason: NASTY,
  node: 'db-1',
};

/** The words that a shell makes of a line, the program itself left out. */
function wordsOf(line: string): string[] {
  const script = `set -- ${line.replace(/^\S+/, '')}\nfor word; do printf '%s\\0' "$word"; done`;
  return execFileSync('sh', ['-c', script], { env: { STEWARD_TOKEN: 'stw_x' } })
    .toString()
    .split('\0')
    .slice(0, -1);
}

describe('a copy for elsewhere', () => {
  it('is a command whose words a shell reads as they were', () => {
    expect(wordsOf(asCommand(wanted))).toEqual([
      'run',
      'call-http',
      '--input',
      JSON.stringify(wanted.input),
      '--reason',
      NASTY,
      '--node',
      'db-1',
      '--wait',
    ]);
  });

  it('is a request whose body is the same and whose token is the reader’s', () => {
    const words = wordsOf(asCurl(wanted, 'https://steward.example'));
    expect(words).toContain('https://steward.example/api/v1/automations/call-http/runs');
    expect(words).toContain('Authorization: Bearer stw_x');
    expect(JSON.parse(words.at(-1) ?? '')).toEqual({
      input: wanted.input,
      reason: NASTY,
      place: { node: 'db-1' },
    });
  });

  it('is a workflow with the same input, in which nothing is taken for a reference', () => {
    const [workflow] = parse(asWorkflow(wanted)).workflows.custom;
    expect(workflow.steps).toEqual([
      {
        id: 'call-http',
        automation: 'call-http',
        input: { ...wanted.input, json: { literal: { from: 'x' } } },
        place: { node: 'db-1' },
      },
    ]);
  });

  it('leaves out what was not said', () => {
    const bare = { automation: 'backup', input: {} };
    expect(asCommand(bare)).toBe('steward run backup --wait');
    expect(parse(asWorkflow(bare)).workflows.custom[0].steps).toEqual([{ id: 'backup', automation: 'backup' }]);
  });
});
