import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
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
