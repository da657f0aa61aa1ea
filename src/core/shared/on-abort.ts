interface SharedListener {
  readonly tasks: Set<() => void>;
  readonly end: () => void;
}

const listeners = new WeakMap<AbortSignal, SharedListener>();

/**
 * Calls `task` when the signal aborts, until the returned function is called. However many tasks there are, the
 * signal has one listener of ours: many calls that wait on one signal are no leak that Node should warn of.
 */
export function onAbort(signal: AbortSignal, task: () => void): () => void {
  const { tasks, end } = listeners.get(signal) ?? listen(signal);
  // Each its own, even if the same function is given twice.
  const entry = (): void => task();
  tasks.add(entry);
  return () => {
    if (tasks.delete(entry) && tasks.size === 0) end();
  };
}

function listen(signal: AbortSignal): SharedListener {
  const tasks = new Set<() => void>();
  const runTasks = (): void => {
    const pending = [...tasks];
    tasks.clear();
    listeners.delete(signal);
    for (const task of pending) task();
  };
  const end = (): void => {
    signal.removeEventListener('abort', runTasks);
    listeners.delete(signal);
  };
  signal.addEventListener('abort', runTasks, { once: true });
  const listener = { tasks, end };
  listeners.set(signal, listener);
  return listener;
}
