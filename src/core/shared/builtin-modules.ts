/**
 * Modules of Node.js that are loaded by the first call that needs them. Loading them at import would make the import of
 * this package a quarter slower (npm run bench -- import).
 */
let crypto: typeof import('node:crypto') | undefined;
let zlib: typeof import('node:zlib') | undefined;

export function nodeCrypto(): typeof import('node:crypto') {
  return (crypto ??= process.getBuiltinModule('node:crypto'));
}

export function nodeZlib(): typeof import('node:zlib') {
  return (zlib ??= process.getBuiltinModule('node:zlib'));
}
