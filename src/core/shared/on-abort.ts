interface SharedListener {
  readonly tasks: Set<() => void>;
  readonly end: () => void;
}

const listeners = new WeakMap<AbortSignal, SharedListener>();

/**
 * Calls `task` when the signal aborts. A signal gets one listener for all its tasks, so that Node.js does not report a leak
 * when many calls wait with the same signal.
 *
 * @returns a function that removes the task
 */
export function onAbort(signal: AbortSignal, task: () => void): () => void {
  const { tasks, end } = listeners.get(signal) ?? listen(signal);
  // A new function for each call, because the same task may be passed twice.
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
