import { describe, expect, it } from 'vitest';
import { createLog } from './index.ts';

function lines(human: boolean) {
  const written: string[] = [];
  return { written, log: createLog({ level: 'info', human, write: (line) => written.push(line) }) };
}

describe('the log', () => {
  it('writes one JSON line with the fields, without secrets', () => {
    const { log, written } = lines(false);

    log.info('connected', { url: 'postgresql://app:hunter2secret@db/app', password: 'hunter2secret', attempts: 3 });

    expect(written).toHaveLength(1);
    expect(written[0]).not.toContain('hunter2secret');
    expect(JSON.parse(written[0] ?? '')).toMatchObject({ msg: 'connected', attempts: 3 });
  });

  it('keeps terminal escapes of hostile text from acting', () => {
    const { log, written } = lines(true);

    log.warn('seen', { name: '\u001b[2J\u001b]0;owned\u0007' });

    expect(written[0]).not.toContain('\u001b');
  });

  it('leaves out what is below its level', () => {
    const { log, written } = lines(false);

    log.debug('noise');

    expect(written).toEqual([]);
  });
});
