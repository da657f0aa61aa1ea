/**
 * npm run build: makes dist/ from src/, and `exports` in package.json from scripts/subpaths.js.
 *
 * tsc compiles each source to build/tsc/. Rollup bundles what tsc wrote: the code as ESM (.js) and as CommonJS (.cjs),
 * and the declarations. Each subpath is one file, beside chunks in dist/shared/ for what several of them need.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { bundledLicenses, compiledSources, typesOnly } from './build-plugins.js';
import { exportsOf, fileOf, SUBPATHS, typesVersionsOf } from './subpaths.js';

const at = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const COMPILED = at('build/tsc');
const manifest = JSON.parse(readFileSync(at('package.json'), 'utf8'));
/** Packages that the user installs. A package that is only in `devDependencies` is bundled. */
const installed = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });

compile();
const [esm] = await bundle(
  '.js',
  [compiledSources(COMPILED), bundledLicenses()],
  [
    { extension: 'js', format: 'es', sourcemap: true },
    { extension: 'cjs', format: 'cjs', sourcemap: true, esModule: true, interop: 'auto' },
  ],
);
// Types are declared once, for CommonJS, and re-exported for ESM, so that `Caching` is one type in every program.
await bundle('.d.ts', [dts(), typesOnly(esm.output)], [{ extension: 'd.cts', format: 'es' }]);
for (const name of Object.keys(SUBPATHS).map(fileOf)) {
  writeFileSync(at(`dist/${name}.d.ts`), `export * from './${path.basename(name)}.cjs';\n`);
}
writeExports();

function compile() {
  for (const folder of [at('dist'), COMPILED]) rmSync(folder, { recursive: true, force: true });
  const args = [at('node_modules/typescript/bin/tsc'), '-p', at('tsconfig.build.json')];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

/** @param extension of the files of tsc that are bundled: code or declarations */
async function bundle(extension, plugins, outputs) {
  const compiled = (source) => path.join(COMPILED, path.relative('src', source)).replace(/\.ts$/, extension);
  const build = await rollup({
    input: Object.fromEntries(
      Object.entries(SUBPATHS).map(([subpath, source]) => [fileOf(subpath), compiled(source)]),
    ),
    external: (id) =>
      id.startsWith('node:') || installed.some((name) => id === name || id.startsWith(`${name}/`)),
    plugins,
    treeshake: { moduleSideEffects: false },
    onwarn: ({ message }) => {
      throw new Error(message);
    },
  });
  const written = [];
  for (const { extension, ...output } of outputs) {
    const options = {
      dir: at('dist'),
      entryFileNames: `[name].${extension}`,
      chunkFileNames: ({ name }) => `shared/${name.replace(/\.d$/, '')}.${extension}`,
      // One chunk for all that the root needs: each further file takes a millisecond at import.
      manualChunks: { core: [compiled(SUBPATHS['.'])] },
      hoistTransitiveImports: false,
      minifyInternalExports: false,
      externalLiveBindings: false,
      generatedCode: { preset: 'es2015', symbols: false },
    };
    written.push(await build.write({ ...options, ...output }));
  }
  return written;
}

function writeExports() {
  const file = at('package.json');
  const whole = { ...manifest, exports: exportsOf(), typesVersions: typesVersionsOf() };
  const text = `${JSON.stringify(whole, undefined, 2)}\n`;
  if (text === readFileSync(file, 'utf8')) return;
  if (process.env.CI) {
    console.error(
      'The exports in package.json differ from scripts/subpaths.js. Run npm run build, and commit package.json.',
    );
    process.exit(1);
  }
  writeFileSync(file, text);
}
