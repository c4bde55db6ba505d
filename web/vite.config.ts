import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** Beside each part what is sent of it, so that the server compresses nothing. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    async closeBundle() {
      const folder = join(import.meta.dirname, 'dist', 'assets');
      for (const name of await readdir(folder)) {
        if (!/\.(?:js|css|svg)$/.test(name)) continue;
        const content = await readFile(join(folder, name));
        await writeFile(join(folder, `${name}.br`), await promisify(brotliCompress)(content));
        await writeFile(join(folder, `${name}.gz`), await promisify(gzip)(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), compressed()],
  build: {
    outDir: 'dist',
    assetsDir: 'assets',
    // What is drawn in is never a data address: the policy of the server allows images, and no fonts or scripts, by those.
    assetsInlineLimit: 0,
    // Written where the server looks for which file belongs to which page.
    manifest: true,
    reportCompressedSize: false,
    target: 'es2023',
  },
  server: {
    // `npm run dev -w web` beside a Steward that runs.
    proxy: { '/api': { target: process.env['STEWARD_URL'] ?? 'http://127.0.0.1:3000', ws: true } },
  },
});
