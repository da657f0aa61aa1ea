/** How others compile: what they write into package.json and tsconfig.json, and with which compiler. */
export interface CompilerSettings {
  readonly name: string;
  /** The `type` in package.json: what a file that ends in `.js` is. */
  readonly type: 'module' | 'commonjs';
  /** The name of the compiler in our own devDependencies. */
  readonly compiler: 'typescript' | 'typescript5';
  readonly options: Readonly<Record<string, string>>;
}

export type Decorators = 'legacy' | 'standard';

export const ESM: CompilerSettings = {
  name: 'nodenext, ESM',
  type: 'module',
  compiler: 'typescript',
  options: { module: 'nodenext' },
};

export const COMMONJS: CompilerSettings = {
  name: 'nodenext, CommonJS',
  type: 'commonjs',
  compiler: 'typescript',
  options: { module: 'nodenext' },
};

/** What the CLI of NestJS 11 makes. TypeScript 7 has it no more. */
export const NODE10: CompilerSettings = {
  name: 'commonjs, moduleResolution node',
  type: 'commonjs',
  compiler: 'typescript5',
  options: { module: 'commonjs', moduleResolution: 'node' },
};

export const EVERY_SETTINGS: readonly CompilerSettings[] = [
  ESM,
  COMMONJS,
  NODE10,
  { name: 'node16, CommonJS', type: 'commonjs', compiler: 'typescript5', options: { module: 'node16' } },
  {
    name: 'commonjs, moduleResolution bundler',
    type: 'commonjs',
    compiler: 'typescript',
    options: { module: 'commonjs', moduleResolution: 'bundler' },
  },
  {
    name: 'esnext, moduleResolution bundler',
    type: 'module',
    compiler: 'typescript',
    options: { module: 'esnext', moduleResolution: 'bundler' },
  },
];

/** As strict as the compiler can be, every declaration file included. */
export function strictOptions(settings: CompilerSettings, decorators: Decorators): object {
  return {
    target: 'es2023',
    ...settings.options,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    types: ['node'],
    declaration: true,
    experimentalDecorators: decorators === 'legacy',
    emitDecoratorMetadata: decorators === 'legacy',
  };
}
