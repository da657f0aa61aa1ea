/** What `npm run bench` was asked to do. */
import { QUESTIONS } from '../questions.js';

const NAMES = Object.keys(QUESTIONS);

export const HELP = `npm run bench [-- OPTIONS] [QUESTION ...]

Measures the built package on a real Redis, prints tables, and writes benchmarks/results/.

Questions:
${NAMES.map(helpOf).join('\n')}

Without a name all questions run but those marked with *.

Options:
  --quick   short runs, in three minutes; written to benchmarks/results/quick/
  --help    this text

Environment:
  REDIS_URL      a Redis with an empty database; without it a server of this machine is started
  REDIS_SERVER   the path of that server; without it the redis-server on the PATH

Examples:
  npm run bench
  npm run bench -- --quick locks limits
  node benchmarks/run.js outage`;

function helpOf(name) {
  const { asks, onRequest = false } = QUESTIONS[name];
  return `  ${`${name}${onRequest ? ' *' : ''}`.padEnd(14)}${asks}`;
}

/**
 * @param {readonly string[]} args
 * @returns {{ help: boolean, quick: boolean, names: string[] }}
 * @throws an Error for an argument that is neither a question nor an option
 */
export function parseArguments(args) {
  const [help, quick] = ['--help', '--quick'].map((option) => args.includes(option));
  const unknownOptions = args.filter((arg) => arg.startsWith('-') && !['--help', '--quick'].includes(arg));
  const named = args.filter((arg) => !arg.startsWith('-'));
  const unknownNames = named.filter((name) => !NAMES.includes(name));
  const problems = [
    ...unknownOptions.map((option) => `There is no option ${option}: the options are --quick and --help.`),
    ...unknownNames.map((name) => `There is no question "${name}": the questions are ${NAMES.join(', ')}.`),
  ];
  if (problems.length > 0) throw new Error([...problems, 'More: npm run bench -- --help'].join('\n'));
  return {
    help,
    quick,
    names: named.length > 0 ? named : NAMES.filter((name) => !QUESTIONS[name].onRequest),
  };
}
