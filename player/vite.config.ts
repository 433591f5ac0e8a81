/** Build of the pages, with a Brotli and a gzip sibling beside every text file. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const DIST = "dist";
const TEXT = /\.(js|css|svg|json|md)$/;

function siblings(): Plugin {
  return {
    name: "siblings",
    apply: "build",
    async closeBundle() {
      for (const entry of await readdir(DIST, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !TEXT.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const bytes = await readFile(path);
        await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
        await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, { params }));
      }
    },
  };
}

export default defineConfig({
  base: "/player/",
  publicDir: false,
  plugins: [siblings()],
  build: {
    outDir: DIST,
    emptyOutDir: true,
    target: "es2022",
    manifest: "manifest.json",
    license: { fileName: "licenses.md" },
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    rollupOptions: {
      input: {
        library: "src/pages/library.ts",
        watch: "src/pages/watch.ts",
        live: "src/pages/live.ts",
        operator: "src/pages/operator.ts",
      },
      output: {
        // The engine's library alone, so that a change of ours leaves it in every browser's cache.
        manualChunks: (id) => (id.includes("/node_modules/hls.js/") ? "hls" : undefined),
        entryFileNames: "assets/[name]-[hash].js",
        chunkFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
});
