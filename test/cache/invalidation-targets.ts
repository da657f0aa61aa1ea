export const TARGETS = [
  { by: 'key', target: { keys: ['key'] } },
  { by: 'tag', target: { tags: ['org'] } },
  { by: 'clear', target: { all: true } },
] as const;
