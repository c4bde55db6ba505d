// Writes to a webhook journal with a single descriptor left: enough for a file, and not for its folder.
import { closeSync, openSync, readdirSync } from 'node:fs';
import { createJournalWriter } from '../systems/webhooks/journal-writer.ts';

const [, , folder = ''] = process.argv;
const writer = createJournalWriter({
  folder,
  first: 1,
  before: 0,
  mostBytes: () => 1_000,
  onWrote: () => undefined,
  onSealed: () => undefined,
});

/** All that there are. */
function take(): number[] {
  const taken: number[] = [];
  for (;;)
    try {
      taken.push(openSync('/dev/null', 'r'));
    } catch {
      return taken;
    }
}

async function append(): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.ErrnoException | undefined>();
  writer.append(Buffer.from('a record'), resolve);
  return (await promise)?.code;
}

const taken = take();
closeSync(taken.pop() ?? -1);
const said = [await append(), await append(), await append()].join(' ');
const left = take();
for (const one of [...taken, ...left]) closeSync(one);
process.stdout.write(`${said}, ${left.length} left, ${readdirSync(folder).length} files\n`);
