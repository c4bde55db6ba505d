import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { createHeld } from './held.ts';

async function* inPieces(content: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}
const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
const heldIn = (json: Buffer): unknown => (JSON.parse(json.toString()) as { held: unknown }).held;

it('a small text is in the manifest as it came, in whatever pieces', async () => {
  const text = '\ufeff{"name": "a \\ \u0007 b/ü/🦊/\u2028"},\r\n'.repeat(40);
  for (const size of [1, 3, 64, 10_000]) {
    const held = createHeld();
    const is = { bytes: Buffer.byteLength(text), sha256: sha256(Buffer.from(text)), storedBytes: 0 };
    expect(await held.take('contents.json', inPieces(Buffer.from(text), size))).toEqual(is);
    expect(await held.take('empty', inPieces(Buffer.alloc(0), size))).toMatchObject({ bytes: 0 });
    expect(JSON.parse(held.inside({ copy: 'one' }).toString())).toEqual({
      copy: 'one',
      held: { 'contents.json': text, empty: '' },
    });
  }
});

it('what is no text, or too large together with the others, is given back whole', async () => {
  const held = createHeld();
  const large = Buffer.alloc(3 * 1024 ** 2, 'x');
  expect(await held.take('first', inPieces(large, 65_536))).toMatchObject({ bytes: large.length });
  const others = [large, Buffer.from([0x61, 0xff, 0x62]), Buffer.from('ends within an ü').subarray(0, -1)];
  for (const content of others) {
    const taken = await held.take('other', inPieces(content, 7_000));
    if (!('instead' in taken)) throw new Error('it was kept');
    const chunks: Uint8Array[] = [];
    for await (const chunk of taken.instead) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
  }
  expect(held.has('other')).toBe(false);
  held.drop('first');
  expect(await held.take('second', inPieces(large, 65_536))).toMatchObject({ sha256: sha256(large) });
  expect(Object.keys(heldIn(held.inside({ copy: 'one' })) as object)).toEqual(['second']);
});
