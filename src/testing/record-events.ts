import { eventNames, subscribe, type CachementEvents, type EventName } from '../core/shared/events.js';

/** An event and its name. */
export type RecordedEvent = {
  readonly [Name in EventName]: { readonly name: Name; readonly event: CachementEvents[Name] };
}[EventName];

export interface EventRecorder {
  /** The events of the namespace so far, in order. */
  readonly events: readonly RecordedEvent[];
  /** Returns the events with this name so far, in order. */
  of<Name extends EventName>(name: Name): readonly CachementEvents[Name][];
  /** Stops recording. */
  stop(): void;
}

/** Records the events of every `Caching` of this namespace in this process. */
export function recordEvents(namespace: string): EventRecorder {
  const events: RecordedEvent[] = [];
  const unsubscribers = eventNames.map((name) =>
    subscribe(name, (event) => {
      if (event.namespace === namespace) events.push({ name, event } as RecordedEvent);
    }),
  );
  return {
    events,
    of: <Name extends EventName>(name: Name) =>
      events.filter((recorded) => recorded.name === name).map(({ event }) => event as CachementEvents[Name]),
    stop: () => {
      for (const unsubscribe of unsubscribers) unsubscribe();
    },
  };
}
