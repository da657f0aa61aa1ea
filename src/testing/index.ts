export { bypassCaching } from './bypass-caching.js';
export { fakeClock, type FakeClock } from './fake-clock.js';
export { recordingCaching, type RecordedEvent, type Recording } from './recording-caching.js';
