export { Sessions } from './sessions.js';
export type { Session, SessionSummary } from './session.js';
export type {
  CreateSessionOptions,
  GetSessionOptions,
  RevokeAllOptions,
  RotateSessionOptions,
  SessionsOptions,
  SessionTimes,
} from './session-options.js';
