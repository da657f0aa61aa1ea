/** An end for records in tests that are not about ends: the year 2100, in ms since the epoch. */
export const LATER = 4_102_444_800_000;
