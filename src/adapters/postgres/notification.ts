import type { ChangedRow } from './notify-options.js';

/** What a trigger has sent. */
export interface Notification {
  /** The name by which the trigger knows its table. */
  readonly table: string;
  /** The row before and after its change; empty if the trigger sends none. */
  readonly rows: readonly ChangedRow[];
}

/** Reads the payload of a notification: `{"table":"users","rows":[{"id":"42"}]}`. Undefined for anything else. */
export function readNotification(payload: string | undefined): Notification | undefined {
  try {
    const { table, rows } = JSON.parse(payload ?? '') as {
      readonly table?: unknown;
      readonly rows?: unknown;
    };
    if (typeof table !== 'string') return undefined;
    if (rows === undefined || rows === null) return { table, rows: [] };
    const isList = Array.isArray(rows) && rows.every((row) => typeof row === 'object' && row !== null);
    return isList ? { table, rows: rows as readonly ChangedRow[] } : undefined;
  } catch {
    return undefined;
  }
}
