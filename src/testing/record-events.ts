import { eventNames, subscribe, type CachementEvents, type EventName } from '../core/shared/events.js';

export type RecordedEvent = {
  readonly [Name in EventName]: { readonly name: Name; readonly event: CachementEvents[Name] };
}[EventName];

export interface EventRecorder {
  /** The events of the namespace, in order. */
  readonly events: readonly RecordedEvent[];
  /** The events of one name, in order. */
  of<Name extends EventName>(name: Name): readonly CachementEvents[Name][];
  /** Ends the recording. */
  stop(): void;
}

/** Records the events of every `Caching` of this namespace in this process. */
export function recordEvents(namespace: string): EventRecorder {
  const events: RecordedEvent[] = [];
  const stops = eventNames.map((name) =>
    subscribe(name, (event) => {
      if (event.namespace === namespace) events.push({ name, event } as RecordedEvent);
    }),
  );
  return {
    events,
    of: <Name extends EventName>(name: Name) =>
      events.filter((one) => one.name === name).map((one) => one.event as CachementEvents[Name]),
    stop: () => {
      for (const stop of stops) stop();
    },
  };
}
