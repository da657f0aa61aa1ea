export { bypassCaching } from './bypass-caching.js';
export { fakeClock, type FakeClock } from './fake-clock.js';
export type { RecordedEvent } from './record-events.js';
export { recordingCaching, type Recording } from './recording-caching.js';
