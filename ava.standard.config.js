import legacy from './ava.config.js';

/** The same tests where decorators matter, compiled with standard decorators. */
export default { ...legacy, files: ['build/standard/test/**/*.test.js'] };
