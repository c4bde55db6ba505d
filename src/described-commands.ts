import { readFile } from 'node:fs/promises';
import type { Manifest } from './surfaces/manifest.ts';

/** What this version can do, without loading what does it: `npm run generate` writes it down from the definitions. */
export async function describedCommands(): Promise<Manifest> {
  return JSON.parse(await readFile(new URL('commands.json', import.meta.url), 'utf8')) as Manifest;
}
