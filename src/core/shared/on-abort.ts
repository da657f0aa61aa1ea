interface Listening {
  readonly tasks: Set<() => void>;
  readonly end: () => void;
}

const listening = new WeakMap<AbortSignal, Listening>();

/**
 * Calls `task` when the signal aborts, until the returned function is called. However many tasks there are, the
 * signal has one listener of ours: many calls that wait on one signal are no leak that Node should warn of.
 */
export function onAbort(signal: AbortSignal, task: () => void): () => void {
  const { tasks, end } = listening.get(signal) ?? listen(signal);
  // Each its own, even if the same function is given twice.
  const own = (): void => task();
  tasks.add(own);
  return () => {
    if (tasks.delete(own) && tasks.size === 0) end();
  };
}

function listen(signal: AbortSignal): Listening {
  const tasks = new Set<() => void>();
  const tell = (): void => {
    const told = [...tasks];
    tasks.clear();
    listening.delete(signal);
    for (const task of told) task();
  };
  const end = (): void => {
    signal.removeEventListener('abort', tell);
    listening.delete(signal);
  };
  signal.addEventListener('abort', tell, { once: true });
  const made = { tasks, end };
  listening.set(signal, made);
  return made;
}
