/**
 * What does a rate limit cost: how many calls can one process count in a second, and how many are refused, by Redis and
 * from the memory of the process?
 */
import { namesOf } from './libraries/all.js';
import { inTurns, measureSlice, summarize } from './support/in-turns.js';
import { startMembers } from './support/members.js';
import { bars } from './support/plots.js';
import { table } from './support/table.js';

const REFERENCE = 'bare-gcra';
const LIBRARIES = [REFERENCE, 'rate-limiter-flexible', 'cachement-consume', 'cachement-rate-limited'];
/** `subjects`: how many keys the calls are spread over. `remember`: refusals may be remembered in the process. */
const QUESTIONS = {
  spread: { title: 'admitted, 1,000 keys', subjects: 1_000, limit: 1_000_000, perSeconds: 1 },
  hot: { title: 'admitted, one key', subjects: 1, limit: 1_000_000, perSeconds: 1 },
  refused: { title: 'refused by Redis', subjects: 1, limit: 1, perSeconds: 86_400 },
  remembered: { title: 'refused, remembered', subjects: 1, limit: 1, perSeconds: 86_400, remember: true },
};
const CALLERS = [1, 64];

export const title = 'Rate limits, against a bare script';
const explanation = `Calls per second of one process, and the ratio to a bare GCRA script on ioredis (\`defineCommand\`; TIME, GET and SET)
in the same round. **Admitted**: the limit is so high that no call is refused; calls are spread over 1,000 keys, or all have one.
**Refused by Redis**: the limit is used up for a day, and Redis is asked each time. **Refused, remembered**: the same, but
the process may remember a refusal (\`denialCache\`; \`inMemoryBlockOnConsumed\`); the ratio is to the bare script, which asks Redis.
rate-limiter-flexible counts in fixed windows, the others by GCRA. Each library runs in a process of its own, all on the same
version of ioredis; the processes take turns in short slices, in an order that changes, and each figure is the median over the rounds.
Redis runs on the same machine. Every decision is checked. The second table is the processor time of
the process for one call.`;

export async function ask({ redis, quick, say }) {
  const rounds = quick ? 5 : 30;
  const sliceMs = quick ? 50 : 100;
  say(`starting ${LIBRARIES.length} processes`);
  const members = await startMembers(import.meta.url, LIBRARIES);
  for (const [library, { call }] of members) {
    say(`warming up ${library}`);
    const questions = await call('open', { url: redis.url, library });
    for (const question of questions) await call('slice', { question, callers: 64, ms: quick ? 100 : 300 });
  }
  const data = [];
  for (const question of Object.keys(QUESTIONS)) {
    for (const callers of CALLERS) {
      const slices = await inTurns(LIBRARIES, rounds, (library, round) => {
        say(`${QUESTIONS[question].title}, ${callers} callers, round ${round + 1} of ${rounds}`);
        // The reference remembers nothing: remembering is compared with asking Redis.
        const asked = library === REFERENCE && question === 'remembered' ? 'refused' : question;
        return members.get(library).call('slice', { question: asked, callers, ms: sliceMs });
      });
      data.push(...summarize(slices, REFERENCE).map((one) => ({ ...one, question, callers })));
    }
  }
  const names = await namesOf(LIBRARIES);
  await Promise.all([...members.values()].map(({ stop }) => stop()));
  return { ...(await present(data, names)), data, explanation, libraries: LIBRARIES };
}

/** What one of the processes does. */
export function member({ open, remembersRefusals = false }) {
  const limiters = new Map();
  return {
    open: async ({ url, library }) => {
      for (const [question, { limit, perSeconds, remember = false }] of Object.entries(QUESTIONS)) {
        if (remember && !remembersRefusals) continue;
        const prefix = `limits-${library}-${question}`;
        const limiter = await open({ url, prefix, limit, perSeconds, remember });
        // Uses up a limit of one, and makes a first call that is refused.
        if (!(await limiter.consume('subject-0'))) throw new Error(`${library} refuses its first call.`);
        await limiter.consume('subject-0');
        limiters.set(question, limiter);
      }
      return [...limiters.keys()];
    },
    slice: async ({ question, callers, ms }) => {
      const { consume } = limiters.get(question);
      const { subjects, limit } = QUESTIONS[question];
      const names = Array.from({ length: subjects }, (_, i) => `subject-${i}`);
      const admits = limit > 1;
      return measureSlice(callers, ms, async (caller, i) => {
        if ((await consume(names[(caller * 7 + i) % subjects])) !== admits) {
          throw new Error(`${question}: expected ${admits ? 'an admission' : 'a refusal'}.`);
        }
      });
    },
  };
}

async function present(data, names) {
  const libraries = [...names.keys()];
  const columns = Object.keys(QUESTIONS).flatMap((question) =>
    CALLERS.map((callers) => ({ question, callers })),
  );
  const nameOf = ({ question, callers }) =>
    `${QUESTIONS[question].title}, ${callers} ${callers === 1 ? 'caller' : 'callers'}`;
  const at = (library, { question, callers }) =>
    data.find((one) => one.library === library && one.question === question && one.callers === callers);
  const isNone = (library, { question }) => library === REFERENCE && question === 'remembered';
  const head = ['', ...columns.map(nameOf)];
  const rows = (cell) =>
    libraries.map((library) => [
      names.get(library),
      ...columns.map((column) => (isNone(library, column) ? '-' : cell(at(library, column)))),
    ]);
  const panels = columns.map((column) => ({
    title: nameOf(column),
    unit: 'calls per second, as a multiple of the bare script',
    mark: 1,
    bars: libraries
      .filter((library) => !isNone(library, column))
      .map((library) => {
        const { ratio } = at(library, column);
        const ours = library.startsWith('cachement');
        return { label: names.get(library), value: ratio, text: `${ratio.toFixed(2)}x`, ours };
      }),
  }));
  return {
    table: [
      'Calls per second, and as a multiple of the bare script',
      '',
      table(
        head,
        rows(
          ({ perSecond, ratio }) => `${Math.round(perSecond).toLocaleString('en')}/s  ${ratio.toFixed(2)}x`,
        ),
      ),
      '',
      'Processor time for one call, in the process that asks',
      '',
      table(
        head,
        rows(({ microseconds }) => `${microseconds.toFixed(1)} us`),
      ),
    ].join('\n'),
    picture: await bars(title, panels),
  };
}
