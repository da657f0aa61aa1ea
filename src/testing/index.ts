export { bypassCaching } from './bypass-caching.js';
export {
  chaosAdapter,
  type ChaosAdapter,
  type ChaosEviction,
  type ChaosHold,
  type ChaosMoment,
  type ChaosOptions,
} from './chaos-adapter.js';
export type { ChaosArguments, ChaosPort, ChaosTarget, ChaosVerb } from './chaos-calls.js';
export type { ChaosFault, ChaosWhen } from './chaos-faults.js';
export { fakeClock, type FakeClock } from './fake-clock.js';
export type { RecordedEvent } from './record-events.js';
export { recordingCaching, type Recording } from './recording-caching.js';
export type { RaceScheduler } from './race-scheduler.js';
export { RaceError, raceTest, type Race, type RaceOptions, type RaceProcess } from './race-test.js';
