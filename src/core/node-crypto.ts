type NodeCrypto = typeof import('node:crypto');

let loaded: NodeCrypto | undefined;

/** node:crypto, loaded with the first call: it would take a quarter of the time that importing this package takes. */
export function nodeCrypto(): NodeCrypto {
  return (loaded ??= process.getBuiltinModule('node:crypto'));
}
