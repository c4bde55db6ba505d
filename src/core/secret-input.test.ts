import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Proof } from './identity.ts';
import { REDACTED } from './redact.ts';
import { secretInput, withoutSecrets } from './secret-input.ts';

describe('what is kept of an input', () => {
  const word = secretInput(z.string().min(1).describe('The word.'));

  it('is all of it but what the schema marks, however deep', () => {
    const schema = z.object({
      name: z.string(),
      word,
      maybe: word.optional(),
      list: z.array(z.object({ word: word.default('x'), kept: z.number() })),
      byName: z.record(z.string(), word),
      either: z.union([z.object({ open: z.string() }), z.strictObject({ word })]),
      piped: z.preprocess((value) => value, z.object({ word })),
    });
    const given = {
      name: 'ada',
      word: 'hunter2',
      maybe: 'hunter2',
      list: [{ word: 'hunter2', kept: 1 }],
      byName: { one: 'hunter2' },
      either: { word: 'hunter2' },
      piped: { word: 'hunter2' },
    };
    expect(withoutSecrets(schema, given)).toEqual({
      name: 'ada',
      word: REDACTED,
      maybe: REDACTED,
      list: [{ word: REDACTED, kept: 1 }],
      byName: { one: REDACTED },
      either: { word: REDACTED },
      piped: { word: REDACTED },
    });
  });

  it('says nothing of what was left out', () => {
    expect(withoutSecrets(z.object({ word: word.optional() }), {})).toEqual({});
  });

  it('holds nothing of a proof, not even of one that is none', () => {
    const schema = z.object({ id: z.string(), proof: Proof.optional() });
    for (const proof of [
      { password: 'hunter2', code: '123456' },
      { passkey: { response: 'hunter2' } },
      { password: 'hunter2', passkey: { response: '123456' } },
      'hunter2',
    ]) {
      const kept = withoutSecrets(schema, { id: 'run_1', proof });
      expect(kept).toEqual({ id: 'run_1', proof: REDACTED });
    }
  });

  it('is told to readers of the schema, beside the description', () => {
    expect(z.toJSONSchema(z.object({ word })).properties?.['word']).toMatchObject({
      writeOnly: true,
      description: 'The word.',
    });
  });
});
