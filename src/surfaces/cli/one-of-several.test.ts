import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { jsonSchemaOf } from '../json-schema-of.ts';
import { oneOfSeveral } from './one-of-several.ts';
import { addInput } from './options.ts';

const paint = {
  name: 'paint-fence',
  summary: 'Paints it.',
  words: ['fence'],
  input: jsonSchemaOf(z.object({ fence: z.string(), primer: z.boolean().default(true) }), 'input'),
};
const photograph = {
  name: 'photograph-fence',
  summary: 'Takes a picture of it.',
  words: ['fence'],
  when: { option: 'to', is: 'album' },
  input: jsonSchemaOf(z.object({ fence: z.string(), zoom: z.number().default(1) }), 'input'),
};

function run(...args: readonly string[]) {
  const command = new Command('fence').exitOverride();
  const meant = oneOfSeveral(command, paint, [photograph, paint]);
  const read = addInput(command, meant.input, ['fence']);
  command.parse(args, { from: 'user' });
  return meant.of(command, read(command.processedArgs, command.opts()));
}

describe('several automations under the same words', () => {
  it('are told apart by an option, and each gets what is its own', () => {
    expect(run('north')).toEqual({ name: 'paint-fence', input: { fence: 'north', primer: true } });
    expect(run('north', '--no-primer')).toEqual({ name: 'paint-fence', input: { fence: 'north', primer: false } });
    expect(run('north', '--to', 'album', '--zoom', '3')).toEqual({
      name: 'photograph-fence',
      input: { fence: 'north', zoom: 3 },
    });
  });

  it.each([
    [['north', '--zoom', '3'], 'paint-fence takes no --zoom.', 'It is an option of --to album.'],
    [
      ['north', '--to', 'album', '--no-primer'],
      'photograph-fence takes no --primer.',
      'It is an option of paint-fence.',
    ],
    [['north', '--to', 'canvas'], 'Expected --to album.', 'Without it this is paint-fence.'],
  ])('say what does not go together: %j', (args, message, hint) => {
    expect(() => run(...args)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID', message, hint }));
  });
});
