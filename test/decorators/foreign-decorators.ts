/** Decorators of other libraries, as they stand above and below ours. Each works in both protocols. */
type ForeignDecorator = (...given: any[]) => any;

type AnyMethod = (this: unknown, ...args: unknown[]) => unknown;

/** Puts `change(method)` in the method's place, as decorators have done in both protocols since ever. */
function replacing(change: (method: AnyMethod) => AnyMethod): ForeignDecorator {
  return (...given) => {
    if (typeof given[1] === 'object') return change(given[0] as AnyMethod);
    const descriptor = given[2] as PropertyDescriptor;
    return { ...descriptor, value: change(descriptor.value as AnyMethod) };
  };
}

/** Wraps the method and tells nobody what it wraps: its name, length and properties are lost. */
export function wrapped(calls: unknown[] = []): ForeignDecorator {
  return replacing(
    (method) =>
      function (this: unknown, ...args) {
        calls.push(args);
        return method.apply(this, args);
      },
  );
}

/** Wraps the method and copies everything that stands on it. */
export function copied(calls: unknown[] = []): ForeignDecorator {
  return replacing((method) => {
    const copy: AnyMethod = function (this: unknown, ...args) {
      calls.push(args);
      return method.apply(this, args);
    };
    Object.defineProperties(copy, Object.getOwnPropertyDescriptors(method));
    return copy;
  });
}

/** Leaves the method where it is and writes on it, as `SetMetadata` of NestJS does. */
export function marked(mark: (method: AnyMethod) => void): ForeignDecorator {
  return replacing((method) => {
    mark(method);
    return method;
  });
}
