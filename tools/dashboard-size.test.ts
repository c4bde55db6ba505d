import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

const BUILT = 'web/dist';
/** Gzipped, of all that the first page loads before it is drawn. */
const SCRIPT_BYTES = 220_000;

interface Part {
  readonly file: string;
  readonly imports?: readonly string[];
}

function firstLoad(): string[] {
  const manifest = JSON.parse(readFileSync(join(BUILT, '.vite/manifest.json'), 'utf8')) as Record<string, Part>;
  const seen = new Set<string>();
  const add = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    manifest[name]?.imports?.forEach(add);
  };
  add('index.html');
  return [...seen].map((name) => manifest[name]?.file ?? name);
}

describe('the dashboard as it was built', () => {
  it(`loads no more than ${SCRIPT_BYTES / 1_000} kB of script before its first page`, () => {
    const scripts = firstLoad().filter((file) => file.endsWith('.js'));
    const bytes = scripts.reduce(
      (sum, file) => sum + gzipSync(readFileSync(join(BUILT, file)), { level: 9 }).length,
      0,
    );
    console.log(`${scripts.length} scripts, ${bytes} bytes gzipped`);
    expect(bytes).toBeGreaterThan(50_000);
    expect(bytes).toBeLessThanOrEqual(SCRIPT_BYTES);
  });
});
