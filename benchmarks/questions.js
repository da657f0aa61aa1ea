/**
 * The benchmarks, each a file of this folder. `onRequest`: it runs only when it is named. Such a module exports a
 * `title`, `ask({ redis, quick, say })` for the process that measures, and, where it measures other processes,
 * `member` for those. `ask` returns:
 *
 * - `table` and `explanation`, as Markdown, and `data`, as JSON;
 * - `picture`, an SVG; `notes`, printed below the table; `failure`, why the run fails. All three are optional;
 * - `libraries`, the modules of libraries/ that it ran, or `packages` of the project.
 */
export const QUESTIONS = {
  stampede: {
    asks: 'A thousand callers want one cold key: how often is it loaded, and how soon does the last caller have it?',
  },
  throughput: {
    asks: 'How many hits in Redis does one process get in a second, beside the bare client?',
  },
  'memory-hits': {
    asks: 'What does a hit in the memory of the process cost, beside lru-cache by hand?',
  },
  races: {
    asks: 'A row changes while it is being loaded: what does the next reader get?',
  },
  limits: {
    asks: 'What does it cost to count a call, and to refuse one, beside a bare script?',
  },
  locks: {
    asks: 'What does a free lock cost, and how soon does the next caller have one that twenty wait for?',
  },
  import: {
    asks: 'How long does an import take, how many files does it read, and how large are they?',
  },
  price: {
    asks: 'What do locks, limits and hits in a Cluster cost beside the bare client, against their goals, and where does it go?',
    onRequest: true,
  },
  'lock-rows': {
    asks: 'Which faults break redlock alone, and do they break the locks of this package?',
    onRequest: true,
  },
  outage: {
    asks: 'What do callers feel while Redis is killed, restarted, paused and resumed?',
    onRequest: true,
  },
  'outage-database': {
    asks: 'Redis is killed under 2,000 callers: what reaches the database, and how long does everybody wait?',
    onRequest: true,
  },
  staleness: {
    asks: 'How long does another process return the old value from its memory, and what does an invalidation cost?',
    onRequest: true,
  },
  'stale-values': {
    asks: 'What do callers feel when a value expires, and its database is slow or down? Draws the picture of the docs.',
    onRequest: true,
  },
  'tag-growth': {
    asks: 'What does it cost to invalidate a tag, as the number of its entries grows?',
    onRequest: true,
  },
  'l1-memory': {
    asks: 'How much memory does an entry of the L1 take, and how much does maxBytes count for it?',
    onRequest: true,
  },
  fleet: {
    asks: 'What do 1 to 1,000 processes cost one Redis, and each other? Simulated, and checked with eight real ones.',
    onRequest: true,
  },
  admissions: {
    asks: 'What does each algorithm of a rate limit let through over time? Draws the pictures of the docs.',
    onRequest: true,
  },
  containers: {
    asks: 'What does LinkedSet save, beside Set, on Node.js 20 and 24?',
    onRequest: true,
  },
  eviction: {
    asks: 'Which entries does a bounded map keep, and what do a hit, a miss and an entry cost? Beside lru-cache.',
    onRequest: true,
  },
};
