/** Applies a decorator as TypeScript's `experimentalDecorators` would: this code is not compiled. */
export function decorate(target, method, decorator) {
  const { prototype } = target;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, method);
  Object.defineProperty(prototype, method, decorator(prototype, method, descriptor) ?? descriptor);
}
