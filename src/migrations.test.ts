import { describe, expect, it } from 'vitest';
import { MIGRATIONS } from './migrations.ts';

/** What takes something away from under a node of the version before, which goes on running while this one migrates. */
const TAKES_AWAY =
  /\b(drop\s+(table|column|view|function)|rename\s+(to|column)|alter\s+column\s+\w+\s+(?!drop\s+not\s+null))\b/i;
/** A column that the version before does not fill. */
const MUST_BE_FILLED = /\badd\s+column\s+\w+[^,`]*\bnot null\b(?![^,`]*\bdefault\b)/i;

describe('migrations', () => {
  it.each(MIGRATIONS.map(({ name, up }) => [name, up.toString()]))(
    '%s only adds, so that nodes of two versions can share the store while one after the other is updated',
    (_name, source) => {
      expect(TAKES_AWAY.exec(source)?.[0]).toBeUndefined();
      expect(MUST_BE_FILLED.exec(source)?.[0]).toBeUndefined();
    },
  );
});
